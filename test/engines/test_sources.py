# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an engine makes of a keyframe for the frames to come, without decoding it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from mila_ros.engines import Engine, GraphEngine
from mila_ros.engines.auto import AutoEngine
from mila_ros.engines.base import Graph
from mila_ros.engines.eager import EagerEngine
from mila_ros.engines.flat import FlatFunction
from mila_ros.errors import EngineError
from mila_ros.networks import Network

CPU = torch.device("cpu")


class Graphs(GraphEngine):
    """Compiles nothing; writes down what it was to compile."""

    name = "graphs"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self.compiled: list[str] = []

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        self.compiled.append(str(function.part))

        def run(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
            return function(*tensors)

        return run


class Refusing(GraphEngine):
    name = "refusing"

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        raise EngineError("no")


class Auto(AutoEngine):
    """As where the first choice cannot compile."""

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self._use(Refusing(network, device))


@pytest.mark.parametrize("kind", [EagerEngine, Graphs, Auto])
def test_sources_are_the_state_that_a_keyframe_leaves(network: Network, kind: type[Engine]) -> None:
    image = torch.randn(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    engine = kind(network, CPU)
    with torch.inference_mode():
        _, state = network(image, None, keyframe=True)
        sources = engine.sources(image, precision="fp32")
        frame = torch.flip(image, [3])
        expected, _ = network(frame, state, keyframe=False)
        found, _ = engine(
            frame, type(state)(key=sources), keyframe=False, tasks=None, precision="fp32"
        )
    assert sources.keys() == {"depth", "motion"}
    for name, source in sources.items():
        for ours, theirs in zip(source, state.key[name], strict=True):
            torch.testing.assert_close(ours, theirs)
    for task, logits in expected.items():
        torch.testing.assert_close(found[task], logits)


def test_a_keyframe_beside_the_frames_is_two_graphs_that_decode_nothing(network: Network) -> None:
    engine = Graphs(network, CPU)
    with torch.inference_mode():
        for _ in range(2):
            engine.sources(torch.zeros(1, 3, 32, 64), precision="fp32")
    assert engine.compiled == ["encode of keyframes", "sources of keyframes"]
