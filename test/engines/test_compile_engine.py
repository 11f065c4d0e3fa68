# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine ``compile``, with a compiler that only counts: what Dynamo asks of it, and when."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest
import torch
from engine_bench import CPU
from torch import Tensor, nn

from mila_ros.engines.eager import CompileEngine, channels_last
from mila_ros.errors import EngineError
from mila_ros.networks import MILA, State, build_network
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(3), DEPTH, MOTION)


def small_network() -> MILA:
    """With local attention for motion alone, and encoders of one layer: Dynamo takes its time."""
    torch.manual_seed(0)
    network = build_network(
        "mila", TASKS, slow="resnet18", slow_width=4, fast_width=4, channels=8,
        decoder_channels=(8, 8), propagation="concat", correspondence_channels=4,
    ).eval()  # fmt: skip
    assert isinstance(network, MILA)
    network.slow = nn.Conv2d(3, network.slow.channels, 8, stride=8)
    network.fast = nn.Conv2d(3, network.fast.channels, 8, stride=8)
    return network


class Counting:
    """A backend of ``torch.compile`` that runs what it is given.

    Attributes:
        compiled: How many graphs it was given.
        ran: How often one of them has run.
    """

    def __init__(self) -> None:
        self.compiled = self.ran = 0

    def __call__(self, graph: Any, inputs: list[Tensor]) -> Callable[..., Any]:
        self.compiled += 1

        def run(*tensors: Tensor) -> Any:
            self.ran += 1
            return graph.forward(*tensors)

        return run


def test_each_graph_is_compiled_once_and_every_frame_runs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = Counting()
    monkeypatch.setattr(CompileEngine, "_settings", lambda *_: {"backend": backend})
    network = small_network()
    engine = CompileEngine(network, CPU)
    generator = torch.Generator().manual_seed(1)

    def play(
        *video: tuple[bool, Collection[str] | None], size: tuple[int, int] = (32, 64)
    ) -> list[int]:
        """Graphs that were compiled for each frame of a video."""
        counts = []
        state: State | None = None
        expected_state: State | None = None
        for keyframe, tasks in video:
            # As the preprocessor has them: rows of pixels, with a batch put before.
            image = torch.randn(*size, 3, generator=generator).permute(2, 0, 1).unsqueeze(0)
            before = backend.compiled, backend.ran
            logits, state = engine(image, state, keyframe=keyframe, tasks=tasks, precision="fp32")
            counts.append(backend.compiled - before[0])
            parts = 1 + len(logits)
            # What is compiled also runs once beforehand.
            assert backend.ran - before[1] == parts + counts[-1]
            expected, expected_state = network(
                image, expected_state, keyframe=keyframe, tasks=tasks
            )
            for task, values in expected.items():
                torch.testing.assert_close(logits[task], values, atol=1e-4, rtol=1e-4)
        return counts

    depth = ["depth"]
    # An encoder and three decoders, twice; then what has both frames behind it.
    video = (True, None), (False, None), (False, depth), (True, depth), (False, depth)
    with torch.inference_mode():
        assert play(*video) == [4, 4, 1, 1, 0]
        assert play(*video) == [0] * 5
        # Motion alone looks at a keyframe from a keyframe.
        assert play((True, None), (True, None)) == [0, 1]
        assert play((True, depth), (False, depth), size=(64, 32)) == [2, 2]
        assert play(*video, (True, depth), (True, depth)) == [0] * 7


def test_what_cannot_be_one_graph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CompileEngine, "_settings", lambda *_: {"backend": Counting()})
    network = small_network()

    def breaking(image: Tensor, keyframe: bool) -> Tensor:
        torch._dynamo.graph_break()
        return torch.zeros(1, 8, 4, 8) + image.mean()

    monkeypatch.setattr(network, "encode", breaking)
    engine = CompileEngine(network, CPU)
    with torch.inference_mode(), pytest.raises(EngineError, match="choose the engine eager"):
        engine(torch.zeros(1, 3, 32, 64), None, keyframe=True, tasks=None, precision="fp32")


@pytest.mark.parametrize("shape", [(1, 3, 4, 6), (2, 1, 4, 6), (1, 5, 1, 1), (3, 4, 1, 6)])
def test_maps_of_a_shape_always_have_its_strides(shape: tuple[int, ...]) -> None:
    plain = torch.arange(float(torch.Size(shape).numel())).view(shape)
    batch, channels, height, width = shape
    forms = [
        plain,
        plain.contiguous(memory_format=torch.channels_last),
        plain.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
        torch.cat([plain, plain], dim=3)[..., :width],
    ]
    if batch == 1:
        forms.append(plain[0].permute(1, 2, 0).contiguous().permute(2, 0, 1).unsqueeze(0))
    for form in forms:
        found = channels_last(form)
        assert torch.equal(found, plain)
        assert found.stride() == (channels * height * width, 1, channels * width, channels)
        assert found is not form  # or Dynamo sees when a frame's features are given twice
    assert channels_last(forms[1]).data_ptr() == forms[1].data_ptr()
    assert torch.equal(channels_last(plain.flatten()), plain.flatten())


def test_weights_are_constants_but_in_bf16_on_a_cpu() -> None:
    network = small_network()
    for device, precision, expected in (
        ("cpu", "fp32", True), ("cpu", "bf16", False), ("cuda:1", "fp32", True),
        ("cuda:1", "bf16", True),
    ):  # fmt: skip
        engine = CompileEngine(network, torch.device(device))
        assert engine._settings(precision) == {"options": {"freezing": expected}}
