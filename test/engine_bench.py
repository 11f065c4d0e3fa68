# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of engines share: a stream, and how far an engine's answers are from eager's."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from mila_ros.engines import Engine
from mila_ros.networks import Network, State

CPU = torch.device("cpu")
SIZE = (32, 64)
# keyframe, tasks; None starts afresh
VIDEO: tuple[tuple[bool, Collection[str] | None] | None, ...] = (
    (True, None), (False, None), (False, None), (True, None), (False, ["depth"]),
    (False, ["depth"]), (True, None), None, (True, None), (False, None),
)  # fmt: skip


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(1, 3, *SIZE, generator=generator) for _ in VIDEO]


def difference(
    engine: Engine, network: Network, precision: str = "fp32", device: torch.device = CPU
) -> float:
    """The largest relative difference of any frame's logits from eager fp32."""
    worst = 0.0
    state: State | None = None
    expected_state: State | None = None
    with torch.inference_mode():
        for image, frame in zip(images(), VIDEO, strict=True):
            if frame is None:
                state = expected_state = None
                continue
            keyframe, tasks = frame
            image = image.to(device)
            expected, expected_state = network(
                image, expected_state, keyframe=keyframe, tasks=tasks
            )
            logits, state = engine(
                image, state, keyframe=keyframe, tasks=tasks, precision=precision
            )
            assert logits.keys() == expected.keys()
            for task, values in expected.items():
                error = (logits[task].float() - values).norm() / values.norm()
                worst = max(worst, float(error))
    return worst
