# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: whatever stops it, what is saved stays, and it goes on as if never stopped."""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from training_bench import ENCODER, assert_equal, assert_same, config, lines, single_stage, train

from mila_ros.errors import MilaError
from mila_ros.networks import Network
from mila_ros.training import run_folder
from mila_ros.training.checkpoints import load_checkpoint, save_checkpoint
from mila_ros.training.log import Log
from mila_ros.training.optimizers import learning_rate
from mila_ros.training.trainer import BEST, LAST, Trainer

SMALL: dict[str, Any] = {
    "network": {"name": "multi_task", "arguments": ENCODER},
    "tasks": {"segmentation": {}, "depth": {}},
    "stages": single_stage("frames", name="one") + single_stage("frames", name="two"),
}


class Falling:
    """A validation that finds the second of a stage's two validations worse than the first."""

    def __init__(self) -> None:
        self.pictures = lambda network, stage: {}

    def __call__(self, network: Network, stage: int) -> Mapping[str, float]:
        weight = network.state_dict()["decoders.depth.2.bias"].item()
        return {"score": -abs(weight) if stage == 0 else weight}


def test_stopped_after_every_step_it_ends_with_the_same_bits(
    two_clips: Path, tmp_path: Path
) -> None:
    wanted = config(weighting={"name": "dwa"}, epoch_steps=1, save_every=1000)
    assert train(wanted, two_clips, tmp_path / "whole")
    runs = 1
    while not train(wanted, two_clips, tmp_path / "parts", until=lambda: True):
        runs += 1
    assert runs == 5  # the last step of a stage does not count as a stop, nor that of the training
    assert_same(tmp_path / "whole", tmp_path / "parts", (LAST,))
    weights = load_checkpoint(tmp_path / "whole" / LAST)["objective"]["weighting.weights"]
    assert not torch.equal(weights, torch.ones(3))


class Killed(BaseException):
    """What nothing catches."""


@pytest.fixture(scope="module")
def undisturbed(two_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    assert train(config(**SMALL), two_clips, out, validate=Falling())
    return out


@pytest.mark.parametrize("fatal", range(1, 11))
def test_killed_at_any_write_it_loses_nothing(
    two_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path, fatal: int
) -> None:
    """The writes: stages begin, best.pt when better, last.pt; the kill comes before one of them."""
    writes = 0

    def write(path: Path, content: Mapping[str, Any]) -> None:
        nonlocal writes
        writes += 1
        if writes == fatal:
            path.with_suffix(".part").write_bytes(b"PK\x03\x04 half of it")
            raise Killed
        save_checkpoint(path, content)

    monkeypatch.setattr(run_folder, "save_checkpoint", write)
    try:
        train(config(**SMALL), two_clips, tmp_path, validate=Falling())
        assert fatal > writes
    except Killed:
        assert train(config(**SMALL), two_clips, tmp_path, validate=Falling())
    assert_same(undisturbed, tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_a_stage_begins_with_the_best_of_the_one_before(undisturbed: Path) -> None:
    found = [line for line in lines(undisturbed) if "validation" in line]
    assert [(line["stage"], line["step"]) for line in found] == [
        ("one", 2), ("one", 3), ("two", 2), ("two", 3),
    ]  # fmt: skip
    scores = [line["validation"]["score"] for line in found]
    best = load_checkpoint(undisturbed / BEST)
    assert best["stage"] == 1 and best["metrics"]["score"] == max(scores[2:])
    assert best["network"]["decoders.depth.2.bias"].item() == max(scores[2:])


def test_weights_of_the_best_step_are_taken_over(
    two_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validations of 3, 2 and 1: the first is best, and its weights begin the next stage."""
    begun: list[Mapping[str, Tensor]] = []
    monkeypatch.setattr(Trainer, "_begin", _spy(begun, Trainer._begin))
    scores: Iterator[float] = iter([3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    seen: list[Mapping[str, Tensor]] = []

    class Scripted(Falling):
        def __call__(self, network: Network, stage: int) -> Mapping[str, float]:
            seen.append({k: v.clone() for k, v in network.state_dict().items()})
            return {"score": next(scores)}

    train(config(**SMALL, validate_every=1), two_clips, tmp_path, validate=Scripted())
    assert_equal(dict(begun[1]), dict(seen[0]), "the second stage's beginning")


def _spy(seen: list[Any], method: Any) -> Any:
    def spied(self: Trainer, stage: Any, weights: Any, saved: Any) -> Any:
        seen.append(weights)
        return method(self, stage, weights, saved)

    return spied


def test_another_configuration_is_refused(
    two_clips: Path, tmp_path: Path, undisturbed: Path
) -> None:
    for name in (LAST, BEST):
        (tmp_path / name).write_bytes((undisturbed / name).read_bytes())
    with pytest.raises(MilaError, match="another configuration; seed, stages.0.batch differ: "):
        other = SMALL | {
            "stages": single_stage("frames", name="one", batch=1) + SMALL["stages"][1:]
        }
        train(config(**other, seed=4), two_clips, tmp_path)
    (tmp_path / LAST).unlink()
    with pytest.raises(MilaError, match="holds best.pt of some training and no last.pt"):
        train(config(**SMALL), two_clips, tmp_path)
    (tmp_path / LAST).write_bytes(b"PK\x03\x04")
    with pytest.raises(MilaError, match="is no checkpoint of a training, or is damaged"):
        train(config(**SMALL), two_clips, tmp_path)


def test_other_clips_are_noted(two_clips: Path, tmp_path: Path) -> None:
    wanted = config(**SMALL)
    assert not train(wanted, two_clips, tmp_path, until=lambda: True)
    assert not train(wanted, two_clips / "clip0", tmp_path, until=lambda: True)
    assert any("other clips" in line.get("note", "") for line in lines(tmp_path))


def test_a_loss_that_is_not_finite(two_clips: Path, tmp_path: Path) -> None:
    stages = single_stage("frames", steps=6, learning_rate=1e30, warm_up=0.0)
    with pytest.raises(MilaError, match="not finite in step [23] of stage only; .*last.pt holds"):
        train(config(**SMALL | {"stages": stages}, save_every=1), two_clips, tmp_path)
    kept = load_checkpoint(tmp_path / LAST)
    assert kept["progress"]["step"] in (1, 2)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / LAST
    save_checkpoint(path, {"step": 1, "weights": torch.zeros(10)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(MilaError, match="no checkpoint could be written .* is kept in .*last"):
            save_checkpoint(path, {"step": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert load_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == [LAST]


def test_an_epochs_mean_losses_reach_the_weighting(
    two_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """λ = K softmax(r / T) with r the ratio of the last two epochs' means, by hand."""
    from mila_ros.training.steps import Steps

    seen: list[dict[str, float]] = []
    call = Steps.__call__

    def spied(self: Steps, batch: Any, progress: Any) -> None:
        before = {k: v[0] for k, v in progress.epoch.items()}
        call(self, batch, progress)
        seen.append({k: v[0] - before.get(k, 0.0) for k, v in progress.epoch.items()})

    monkeypatch.setattr(Steps, "__call__", spied)
    stages = single_stage("frames", steps=5)
    wanted = config(
        **SMALL | {"stages": stages}, weighting={"name": "dwa", "temperature": 2.0}, epoch_steps=2
    )
    train(wanted, two_clips, tmp_path)
    tasks = ("segmentation", "depth")
    means = [[(seen[n][t] + seen[n + 1][t]) / 2 for t in tasks] for n in (0, 2)]
    scores = np.exp(np.array(means[1]) / np.array(means[0]) / 2.0)
    weights = load_checkpoint(tmp_path / LAST)["objective"]["weighting.weights"]
    np.testing.assert_allclose(weights, 2 * scores / scores.sum(), rtol=1e-5)


def test_the_learning_rate_by_hand() -> None:
    stage = config(stages=single_stage("frames", steps=100, warm_up=0.1)).stages[0]
    rate = stage.learning_rate
    assert learning_rate(0, stage) == pytest.approx(rate * 0.1)
    assert learning_rate(4, stage) == pytest.approx(rate * 0.5)
    assert learning_rate(9, stage) == pytest.approx(rate)
    assert learning_rate(54, stage) == pytest.approx(rate / 2)
    assert learning_rate(99, stage) == pytest.approx(0.0, abs=1e-12)
    constant = config(stages=single_stage("frames", steps=9, decay="constant")).stages[0]
    assert learning_rate(8, constant) == rate


def test_what_the_last_stage_lacks_is_said_before_the_first(
    two_clips: Path, tmp_path: Path
) -> None:
    stages = single_stage("frames", name="one") + single_stage("video", name="two")
    with pytest.raises(MilaError, match="stage two: multi_task has no slow and fast encoder"):
        train(config(**SMALL | {"stages": stages}), two_clips, tmp_path)
    wrong = single_stage("frames", network={"wdth": 3})
    with pytest.raises(MilaError, match="stage only: .*wdth"):
        train(config(**SMALL | {"stages": wrong}), two_clips, tmp_path)
    assert not (tmp_path / LAST).exists()


def test_the_log_forgets_what_comes_again(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log({"clips": 3})
    log({"stage": "one", "step": 50, "depth": 1.0})
    log({"stage": "two", "fresh": ["x"]})
    log({"stage": "two", "step": 50, "validation": {"score": math.nan}})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"stage": "two", "st')
    log.rewind(["one", "two"], 1, 0)
    assert lines(tmp_path) == [
        {"clips": 3}, {"stage": "one", "step": 50, "depth": 1.0}, {"stage": "two", "fresh": ["x"]},
    ]  # fmt: skip
