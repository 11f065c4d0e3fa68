# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The moving average of the weights: its value, and where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_bench import ENCODER, assert_same, config, single_stage, train

from mila_ros.networks import Network, build_network
from mila_ros.tasks import DEPTH
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.steps import Steps, averaged
from mila_ros.training.trainer import BEST, LAST, Trainer

AVERAGED: dict[str, Any] = {"optimizer": {"name": "adam", "average": 0.4}}


def test_it_is_the_sum_by_hand() -> None:
    """Of weights and of batch norm's statistics, each by its share, in float64."""
    torch.manual_seed(0)
    network, decay = build_network("multi_task", (DEPTH,), **ENCODER), 0.3
    average = averaged(network, decay)
    names = ("decoders.depth.2.weight", "decoders.depth.0.1.running_mean")
    seen = []
    for _ in range(4):
        with torch.no_grad():
            for name in names:
                network.state_dict()[name].normal_()
        seen.append({name: network.state_dict()[name].double().numpy().copy() for name in names})
        average.update_parameters(network)
    decays = [min(decay, (1 + step) / (10 + step)) for step in (1, 2, 3)]
    assert decays[0] < decay == decays[2]
    for name in names:
        expected = seen[0][name] * np.prod(decays)  # the first step's are the beginning
        for step, values in enumerate(seen[1:]):
            expected = expected + values[name] * (1 - decays[step]) * np.prod(decays[step + 1 :])
        found = average.module.state_dict()[name].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_stopped_after_every_step_its_bits_are_the_same(two_clips: Path, tmp_path: Path) -> None:
    wanted = config(**AVERAGED, save_every=1000)
    assert train(wanted, two_clips, tmp_path / "whole")
    while not train(wanted, two_clips, tmp_path / "parts", until=lambda: True):
        pass
    assert_same(tmp_path / "whole", tmp_path / "parts", (LAST,))


def test_what_is_validated_kept_and_gone_on_with_is_the_average(
    two_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[Network] = []

    class Last:
        pictures = staticmethod(lambda network, stage: {})

        def __call__(self, network: Network, stage: int) -> Mapping[str, float]:
            assert not network.training
            validated.append(network)
            return {"score": float(len(validated))}

    begun: list[Steps] = []
    monkeypatch.setattr(
        "mila_ros.training.trainer.Steps",
        lambda *arguments: begun.append(Steps(*arguments)) or begun[-1],
    )
    stages = single_stage("frames", name="one") + single_stage("frames", name="two")
    wanted = config(
        network={"name": "multi_task", "arguments": ENCODER},
        tasks={"segmentation": {}, "depth": {}},
        stages=stages,
        **AVERAGED,
    )
    starts: list[dict[str, torch.Tensor]] = []
    begin = Trainer._begin

    def spy(self: Trainer, stage: Any, weights: Any, saved: Any) -> Steps:
        starts.append(dict(weights or {}))
        return begin(self, stage, weights, saved)

    monkeypatch.setattr(Trainer, "_begin", spy)
    assert train(wanted, two_clips, tmp_path, validate=Last())
    assert all(network is not steps.objective.network for network in validated for steps in begun)
    name = "decoders.depth.2.weight"
    first, second = (steps.network.state_dict()[name] for steps in begun)
    raw = begun[1].objective.network.state_dict()[name]
    assert torch.equal(starts[1][name], first)
    for file in (BEST, LAST):
        assert torch.equal(load_checkpoint(tmp_path / file)["network"][name], second)
    assert not torch.equal(raw, second)
    assert torch.equal(load_checkpoint(tmp_path / LAST)["objective"][f"network.{name}"], raw)
