# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila train`` as users run it: to a bundle, stopped and killed, in several processes."""

from __future__ import annotations

import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from training_bench import CLASSES, MILA, config, document, single_stage, write_clip

from mila_ros.errors import MilaError
from mila_ros.networks.resnet import ResNet
from mila_ros.streaming import Perception
from mila_ros.streaming.bundle import load_bundle
from mila_ros.training.bundles import describe
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.start import stage_network
from mila_ros.training.steps import Steps
from mila_ros.training.trainer import BEST, LAST
from mila_ros.training.validation import Validation, score

Run = Callable[..., int]
ROOT = Path(__file__).resolve().parents[2]
ENCODER = {"encoder": "resnet18", "width": 16, "ceil_mode": False, "decoder_channels": [16, 16]}


def small(**changes: Any) -> dict[str, Any]:
    """One stage of a network with one encoder."""
    return document(**{
        "network": {"name": "multi_task", "arguments": ENCODER},
        "stages": single_stage("frames", steps=4),
    } | changes)  # fmt: skip


@pytest.fixture(scope="module")
def trained(
    two_clips: Path, held_out: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """OUT of a whole training of MILA, and its configuration."""
    from mila_ros.cli import main

    out = tmp_path_factory.mktemp("trained")
    wanted = document(validate_every=3)
    (out / "config.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
    options = ["--clips", str(two_clips), "--validation", str(held_out), "--out", str(out)]
    command = ["train", "--config", str(out / "config.yaml"), "--device", "cpu", *options]
    assert main(command) == 0
    return out, wanted


def test_the_bundle_predicts_as_the_checkpoint_does(
    trained: tuple[Path, dict[str, Any]], held_out: Path
) -> None:
    out, wanted = trained
    bundle, network = load_bundle(out / "tiny")
    checkpoint = load_checkpoint(out / BEST)
    assert checkpoint["stage"] == 1
    assert bundle.training["step"] == checkpoint["step"] and bundle.training["stage"] == "joint"
    assert bundle.training["config"] == config(**wanted).as_dict()
    exact, _ = stage_network(config(**wanted), 1, checkpoint["network"])
    exact.eval()
    states: list[Any] = [None, None]
    generator = torch.Generator().manual_seed(0)
    for keyframe in (True, False, True):
        image = torch.randn(1, 3, 32, 64, generator=generator)
        with torch.no_grad():
            rounded, states[0] = network(image, states[0], keyframe=keyframe)
            wanted_logits, states[1] = exact(image, states[1], keyframe=keyframe)
        for name, logits in wanted_logits.items():
            size = logits.abs().max().item()
            assert (rounded[name] - logits).abs().max().item() < 0.02 * size
    perception = Perception.load(out / "tiny", device="cpu")
    rgb = np.full((40, 72, 3), 90, np.uint8)
    frames = [perception.step(rgb, stamp_ns=n, focal_px=60.0) for n in (1, 2, 3, 4)]
    assert [frame.is_keyframe for frame in frames] == [True, False, False, True]
    assert frames[1].segmentation is not None and frames[1].segmentation.max() < len(CLASSES)


def test_validation_is_what_evaluation_says(
    trained: tuple[Path, dict[str, Any]], held_out: Path
) -> None:
    out, wanted = trained
    checkpoint = load_checkpoint(out / BEST)
    network, _ = stage_network(config(**wanted), 1, checkpoint["network"])
    validation = Validation(config(**wanted), [held_out], torch.device("cpu"))
    assert validation(network.eval(), 1) == checkpoint["metrics"]
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    found = [line["validation"] for line in logged if "validation" in line]
    assert checkpoint["metrics"] in found
    pictures = validation.pictures(network.eval(), 1)
    assert list(pictures) == ["clip"]
    picture = pictures["clip"]
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.shape[1] > 2 * 384
    # Four panels: the image, its classes, its depth, what moves.
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_the_score_by_hand() -> None:
    nan = float("nan")
    assert score({"segmentation/miou": 0.5, "depth/rel_error": 0.1, "motion/iou": nan}) == {
        "segmentation/miou": 0.5, "depth/rel_error": 0.1, "score": 0.4,
    }  # fmt: skip


def test_clips_without_labels_cannot_validate(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "clip", maps=())
    with pytest.raises(MilaError, match="the held-out clips have no labels to score by"):
        Validation(config(), [folder], torch.device("cpu"))


def test_fine_tuning_from_the_bundle(
    trained: tuple[Path, dict[str, Any]], run_train: Run, tmp_path: Path
) -> None:
    """Other classes, labels of segmentation alone, stills: as the shipped configuration has it."""
    content = yaml.safe_load((ROOT / "config/training/fine_tune.yaml").read_text())
    content["stages"][0] |= {"steps": 2, "batch": 2, "crop": [32, 64]}
    stills = write_clip(
        tmp_path / "clip", maps=("segmentation",), fps=1.0, classes=["car", "kerb", "road"]
    )
    options = ("--start", str(trained[0] / "tiny"), "--set", "classes=[road, kerb, car]")
    assert run_train(content, stills, tmp_path / "out", *options) == 0
    bundle, network = load_bundle(tmp_path / "out" / "fine_tuned")
    _, before = load_bundle(trained[0] / "tiny")
    assert [label.name for label in bundle.labels] == ["road", "kerb", "car"]
    assert bundle.task_names == ("segmentation", "depth", "motion")
    assert bundle.depth is not None and bundle.depth.canonical_focal_px == 50.0
    assert set(network.state_dict()) == set(before.state_dict())
    moved = {
        name.split(".")[0]
        for name, value in network.state_dict().items()
        if not torch.equal(value, before.state_dict()[name])
    }
    assert moved == {"slow", "slow_neck", "fast", "fast_neck", "branches"}
    statistics = [n for n in network.state_dict() if n.endswith(("running_mean", "running_var"))]
    assert all(torch.equal(network.state_dict()[n], before.state_dict()[n]) for n in statistics)


def test_distillation_needs_an_example(
    run_train: Run, two_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = small(stages=single_stage("frames", distill=1.0))
    assert run_train(wanted, two_clips, tmp_path / "out") == 1
    assert "distill needs something to begin with, such as --start" in capsys.readouterr().err


def test_minutes_and_ctrl_c_stop_after_a_step_and_go_on(
    run_train: Run, two_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    wanted = small()
    assert run_train(wanted, two_clips, tmp_path / "whole") == 0
    assert run_train(wanted, two_clips, tmp_path / "parts", "--minutes", "0") == 0
    assert "stopped; run the same command again" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "parts" / LAST)["progress"]["step"] == 1
    call, handlers = Steps.__call__, signal.getsignal(signal.SIGINT)

    def interrupted(self: Steps, *arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        call(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "__call__", interrupted)
        assert run_train(wanted, two_clips, tmp_path / "parts") == 0
    assert signal.getsignal(signal.SIGINT) is handlers
    said = capsys.readouterr()
    assert "stopping after this step" in said.err and "stopped; run the same" in said.out
    assert load_checkpoint(tmp_path / "parts" / LAST)["progress"]["step"] == 2
    assert not (tmp_path / "parts" / "tiny").exists()
    assert run_train(wanted, two_clips, tmp_path / "parts") == 0
    first, second = (tmp_path / n / "tiny/weights.safetensors" for n in ("whole", "parts"))
    assert first.read_bytes() == second.read_bytes()


KILLED = """
import os, signal, sys
from mila_ros.training.steps import Steps
call = Steps.__call__
def killed(self, batch, progress):
    if progress.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    call(self, batch, progress)
Steps.__call__ = killed
from mila_ros.cli import main
main(sys.argv[1:])
"""


def test_kill_9_in_mid_epoch(run_train: Run, two_clips: Path, tmp_path: Path) -> None:
    wanted = small(save_every=2)
    assert run_train(wanted, two_clips, tmp_path / "whole") == 0
    out = tmp_path / "killed"
    command = ["train", "--config", str(tmp_path / "config.yaml"), "--clips", str(two_clips),
               "--out", str(out), "--device", "cpu", "--threads", "1"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", KILLED, *command], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert load_checkpoint(out / LAST)["progress"]["step"] == 2
    assert run_train(wanted, two_clips, out) == 0
    first, second = (n / "tiny/weights.safetensors" for n in (tmp_path / "whole", out))
    assert first.read_bytes() == second.read_bytes()


def test_two_processes_are_one_with_twice_the_batch(
    run_train: Run, two_clips: Path, tmp_path: Path
) -> None:
    """With batch norms out of the way, and losses over equally many pixels in either process."""
    stage = {"steps": 3, "batch_norm": "fixed", "learning_rate": 0.001}
    wanted = small(
        tasks={"depth": {}}, optimizer={"name": "sgd"}, stages=single_stage("frames", **stage)
    )
    assert run_train(wanted, two_clips, tmp_path / "one") == 0
    wanted["stages"][0]["batch"] = 1
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
         "-m", "mila_ros.cli", "train", "--config", str(tmp_path / "config.yaml"), "--device",
         "cpu", "--clips", str(two_clips), "--out", str(tmp_path / "two"), "--threads", "1"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = (load_checkpoint(tmp_path / n / LAST)["network"] for n in ("one", "two"))
    begun, _ = stage_network(config(**wanted), 0, None)
    moved = max((one[n] - v).abs().max().item() for n, v in begun.state_dict().items())
    apart = max((one[n] - two[n]).abs().max().item() for n in one)
    assert moved > 1e-4 and apart < 1e-3 * moved
    assert json.loads((tmp_path / "two/log.jsonl").read_text().splitlines()[0])["processes"] == 2
    assert load_bundle(tmp_path / "two" / "tiny")[0].task_names == ("depth",)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A torchvision-like state_dict, and the address under which it is served."""
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.manual_seed(5)
    weights = ResNet("resnet18", 8, False, 16).state_dict()
    torch.save(weights | {"fc.weight": torch.zeros(3, 3)}, folder / "resnet18.pth")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder / "resnet18.pth", f"http://127.0.0.1:{server.server_port}/resnet18.pth"
        server.shutdown()


@pytest.mark.parametrize("how", ["path", "file", "http"])
def test_imagenet_weights(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    path, url = served
    where = {"path": str(path), "file": path.as_uri(), "http": url}[how]
    network, _ = stage_network(config(start={"slow": where}), 0, None)
    weights = torch.load(path)
    for name, value in network.slow.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert not torch.equal(network.fast.conv1.weight, weights["conv1.weight"])


def test_depth_begins_in_mid_range() -> None:
    for network, arguments in (("mila", MILA), ("multi_task", ENCODER)):
        wanted = config(
            network={"name": network, "arguments": arguments}, stages=single_stage("frames")
        )
        made, _ = stage_network(wanted, 0, None)
        logits = made.eval()(torch.zeros(1, 3, 32, 64))[0]["depth"]
        assert logits.mean().item() == pytest.approx(np.log(np.sqrt(0.5 * 100.0)), abs=0.3)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ({"slow": "/nowhere/x.pth"}, "the weights /nowhere/x.pth cannot be had: No such file"),
        ({"slow": "http://127.0.0.1:1/x.pth"}, "cannot be had: .*refused"),
        ({"encoder": "x.pth"}, "start names encoder, but mila has no such ResNet"),
        ({"slow": "LIST"}, "cannot be had: not a state_dict"),
        ({"slow": "TEXT"}, "cannot be had: not a state_dict"),
        ({"slow": "OTHER"}, "does not fit the encoder slow: "),
    ],
)
def test_weights_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: dict[str, str], sentence: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    torch.save([1], tmp_path / "LIST")
    (tmp_path / "TEXT").write_text("weights")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "OTHER")
    start = {k: str(tmp_path / v) if v.isupper() else v for k, v in start.items()}
    with pytest.raises(MilaError, match=sentence):
        stage_network(config(start=start), 0, None)


def test_wrong_command_lines(
    run_train: Run, two_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    clip = two_clips / "clip0"
    assert run_train(small(), two_clips, out, "--validation", str(clip)) == 1
    assert "is both trained on and held out" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert run_train(small(), two_clips, tmp_path / "file" / "out") == 1
    assert "cannot be made: Not a directory" in capsys.readouterr().err
    assert run_train(small(), two_clips, out, "--set", "name=Mine") == 1
    assert "lower-case letters" in capsys.readouterr().err


def test_a_corrupt_clip_stops_a_training_that_can_go_on(
    run_train: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clips" / "clip", frames=2)
    wanted = small()
    assert run_train(wanted, tmp_path / "clips", tmp_path / "out", "--minutes", "0") == 0
    for label in (clip / "depth").iterdir():
        label.write_bytes(label.read_bytes()[:50])
    assert run_train(wanted, tmp_path / "clips", tmp_path / "out") == 1
    assert "damaged or not an image" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "out" / LAST)["progress"]["step"] == 1


def test_tasks_that_nothing_runs_are_trained_all_the_same(
    run_train: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clip", maps=("segmentation", "edges"))
    wanted = small(tasks={"segmentation": {}, "edges": {}}, stages=single_stage("frames", steps=1))
    assert run_train(wanted, clip, tmp_path / "out") == 0
    assert "no bundle" in capsys.readouterr().out
    assert [t["name"] for t in describe(config(**wanted), 0)["tasks"]] == ["segmentation"]


def test_tensorboard_is_asked_for_by_name(
    run_train: Run, two_clips: Path, held_out: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert run_train(small(), two_clips, tmp_path / "out", "--tensorboard") == 1
    assert "TensorBoard is not installed; run: pip install tensorboard" in capsys.readouterr().err
    written: list[tuple[str, Any, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None: ...
        def add_scalar(self, tag: str, value: float, step: int) -> None:
            written.append((tag, value, step))

        def add_image(self, tag: str, picture: Any, step: int, dataformats: str) -> None:
            assert dataformats == "HWC" and picture.dtype == np.uint8
            written.append((tag, picture, step))

        def close(self) -> None: ...

    module = type(sys)("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    options = ("--tensorboard", "--validation", str(held_out))
    assert run_train(small(), two_clips, tmp_path / "out", *options) == 0
    tags = {tag for tag, _, _ in written}
    assert {"only/depth_frame", "only/validation/segmentation/miou", "only/clip"} <= tags
