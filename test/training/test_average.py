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
from training_bench import assert_same, config, open_clips, single_stage, train

from mila_ros.networks import Network, build_network
from mila_ros.tasks import DEPTH
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.log import Log
from mila_ros.training.steps import Average, Steps
from mila_ros.training.trainer import BEST, LAST, Trainer

AVERAGED: dict[str, Any] = {"optimizer": {"name": "adam", "average": 0.4}}
ENCODER = {"encoder": "resnet18", "width": 16, "ceil_mode": False, "decoder_channels": [16, 16]}


def test_it_is_the_sum_by_hand() -> None:
    """Against w_n = Σ of all weights by their shares, in float64; counters are the last."""
    torch.manual_seed(0)
    network = build_network("multi_task", (DEPTH,), **ENCODER)
    average, decay = Average(network, 0.3), 0.3
    name, counter = "decoders.depth.2.weight", "decoders.depth.0.1.num_batches_tracked"
    seen = [network.state_dict()[name].double().numpy().copy()]
    for step in (1, 2, 3, 4):
        with torch.no_grad():
            for value in network.state_dict().values():
                value += step if not value.is_floating_point() else torch.randn(value.shape)
        seen.append(network.state_dict()[name].double().numpy().copy())
        average.update(network, step)
    decays = [min(decay, (1 + step) / (10 + step)) for step in (1, 2, 3, 4)]
    assert decays[0] < decay == decays[3]
    expected = seen[0] * np.prod(decays)
    for step, weights in enumerate(seen[1:]):
        expected = expected + weights * (1 - decays[step]) * np.prod(decays[step + 1 :])
    found = average.network.state_dict()
    np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert found[counter] == network.state_dict()[counter] == 1 + 2 + 3 + 4
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


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
    clips = open_clips(two_clips, tasks=list(wanted.learned))
    starts: list[dict[str, torch.Tensor]] = []
    begin = Trainer._begin

    def spy(self: Trainer, stage: Any, weights: Any, saved: Any) -> Steps:
        starts.append(dict(weights or {}))
        return begin(self, stage, weights, saved)

    monkeypatch.setattr(Trainer, "_begin", spy)
    trainer = Trainer(
        wanted, clips, tmp_path, torch.device("cpu"), log=Log(tmp_path), validate=Last()
    )
    assert trainer.run(lambda: False)
    assert all(network is not steps.objective.network for network in validated for steps in begun)
    name = "decoders.depth.2.weight"
    first, second = (steps.network.state_dict()[name] for steps in begun)
    raw = begun[1].objective.network.state_dict()[name]
    assert torch.equal(starts[1][name], first)
    for file in (BEST, LAST):
        assert torch.equal(load_checkpoint(tmp_path / file)["network"][name], second)
    assert not torch.equal(raw, second)
    assert torch.equal(load_checkpoint(tmp_path / LAST)["objective"][f"network.{name}"], raw)
