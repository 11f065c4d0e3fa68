# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training that was stopped or killed goes on as if it had not been; two processes are as one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from training_bench import config, single_stage, small, write_clip

from mila_ros.streaming.bundle import load_bundle
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.start import stage_network
from mila_ros.training.steps import Steps
from mila_ros.training.trainer import LAST

Run = Callable[..., int]
ROOT = Path(__file__).resolve().parents[2]


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


STOPPED = """
import sys
from pathlib import Path
from training_bench import config, open_clips, small
import torch
from mila_ros.training.distributed import Processes
from mila_ros.training.trainer import Trainer
clips, out = map(Path, sys.argv[1:])
processes, cpu = Processes.join(torch.device("cpu")), torch.device("cpu")
wanted = config(**small(weighting={"name": "dwa"}, epoch_steps=2, save_every=1000))
def train(name, stop):
    here = out / f"{name}_{processes.rank}"
    return Trainer(wanted, open_clips(clips), here, cpu, processes).run(lambda: stop)
assert train("whole", False)
assert not any(train("parts", True) for _ in range(3))
train("parts", False)
processes.leave()
"""


def test_two_processes_that_were_stopped_weigh_tasks_as_if_they_had_not_been(
    two_clips: Path, tmp_path: Path
) -> None:
    """With `dwa`: stopped in the middle of each epoch, of which either process has seen a part.

    They share no disk.
    """
    (tmp_path / "stopped.py").write_text(STOPPED)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
         str(tmp_path / "stopped.py"), str(two_clips), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'test'}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"stopped.py", "whole_0", "parts_0"}
    whole, parts = (
        load_checkpoint(tmp_path / f"{name}_0" / LAST)["objective"] for name in ("whole", "parts")
    )
    for name in ("previous", "weights"):
        torch.testing.assert_close(whole[f"weighting.{name}"], parts[f"weighting.{name}"])
    assert not torch.equal(whole["weighting.weights"], torch.ones(3))


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
