# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""After warming up, no frame waits for a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stream_bench import play, video

from mila_ros.engines.base import Graph, GraphEngine
from mila_ros.engines.flat import FlatFunction
from mila_ros.networks import build_network
from mila_ros.streaming import EveryN, Perception, load_bundle
from mila_ros.streaming.lanes import LagLane

SMALL: dict[str, Any] = {
    "slow": "resnet18", "slow_width": 4, "fast_width": 4, "channels": 16,
    "decoder_channels": (12, 8), "attention_channels": 4, "correspondence_channels": 8,
}  # fmt: skip


class Counting(GraphEngine):
    """Compiles nothing; writes down what it was to compile."""

    name = "counting"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.compiled: list[tuple[str, tuple[str, ...]]] = []

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        self.compiled.append((str(function.part), function.inputs))
        return lambda tensors: function(*tensors)


@pytest.mark.parametrize("mode", ["blocking", "concurrent"])
def test_a_network_that_looks_at_correspondence_is_compiled_for_all_frames(
    two_tasks: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mila_ros.streaming.model.build_engine", lambda _, *arguments: Counting(*arguments)
    )
    bundle, _ = load_bundle(two_tasks)
    torch.manual_seed(0)
    network = build_network("mila", bundle.tasks, **SMALL).eval()
    perception = Perception(
        bundle,
        network,
        "cpu",
        keyframes=EveryN(4),
        keyframe_mode=mode,
        lane=LagLane(1) if mode == "concurrent" else None,
    )
    images = video(10)
    perception.warm_up(*images[0].shape[:2])
    engine = perception.engine
    assert isinstance(engine, Counting)
    known = len(engine.compiled)
    # Two encoders and, per task, four ways to decode; motion has a keyframe after a keyframe too.
    if mode == "blocking":
        assert known == 2 + 4 + 5
    play(perception, images[:1])
    perception.request_keyframe("front")
    frames = play(perception, images[1:], start=1)
    if mode == "blocking":
        assert [frame.is_keyframe for frame in frames[:5]] == [True, False, False, False, True]
    assert engine.compiled[known:] == []
