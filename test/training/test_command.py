# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila train`` as users run it: from clips to a bundle."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from training_bench import CLASSES, config, document, single_stage, small, write_clip

from mila_ros.errors import MilaError
from mila_ros.streaming import Perception
from mila_ros.streaming.bundle import load_bundle
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.start import stage_network
from mila_ros.training.trainer import BEST
from mila_ros.training.validation import Validation, score

Run = Callable[..., int]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trained(
    two_clips: Path, held_out: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """OUT of a whole training of MILA, and its configuration."""
    from mila_ros.cli import main

    out = tmp_path_factory.mktemp("trained")
    wanted = document(validate_every=3)
    wanted["input"]["motion_threshold"] = 0.6
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
    assert bundle.motion_threshold == 0.6
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


def test_the_interval_is_the_one_asked_for_at_any_frame_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_clip(tmp_path / "clip", frames=9, fps=2.0)  # 4 s long
    wanted = config(keyframe_every=8)
    keyframes: list[bool] = []
    step = Perception.step

    def noted(self: Perception, *arguments: Any, **more: Any) -> Any:
        frame = step(self, *arguments, **more)
        keyframes.append(frame.is_keyframe)
        return frame

    monkeypatch.setattr(Perception, "step", noted)
    network, _ = stage_network(wanted, 1, None)
    Validation(wanted, [folder], torch.device("cpu"))(network.eval(), 1)
    assert keyframes == [True, *[False] * 7, True]


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
    assert bundle.motion_threshold == 0.6
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


def test_wrong_command_lines(
    run_train: Run, two_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    clip = two_clips / "clip0"
    assert run_train(small(), two_clips, out, "--validation", str(clip)) == 1
    assert "is both trained on and held out; take" in capsys.readouterr().err
    mine, again = tmp_path / "mine", tmp_path / "again"
    for folder, width in ((mine, 320), (again, 640)):
        shutil.copytree(clip, folder)
        recipe = {"world": "street", "seed": 5, "width": width}
        (folder / "simulation.json").write_text(json.dumps(recipe))
    assert run_train(small(), mine, out, "--validation", str(again)) == 1
    assert f"held out (it is the clip of {mine}); take it from one" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert run_train(small(), two_clips, tmp_path / "file" / "out") == 1
    assert "cannot be made: Not a directory" in capsys.readouterr().err
    assert run_train(small(), two_clips, out, "--set", "name=Mine") == 1
    assert "lower-case letters" in capsys.readouterr().err


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
    module.SummaryWriter = Writer  # type: ignore[attr-defined]  (a stand-in)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    options = ("--tensorboard", "--validation", str(held_out))
    assert run_train(small(), two_clips, tmp_path / "out", *options) == 0
    tags = {tag for tag, _, _ in written}
    assert {"only/depth_frame", "only/validation/segmentation/miou", "only/clip"} <= tags
