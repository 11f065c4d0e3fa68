# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the frames that have come together are computed at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from ..networks import State
from .batches import form
from .continuity import ResetCause
from .frame import FrameRequest
from .streams import Turn


@dataclass(frozen=True, eq=False)
class Pending:
    """A frame that has come and is to be computed.

    Attributes:
        request: What for, its tasks named.
        turn: Which frame of its stream.
        state: What the frame before left; None at the start of a stream.
        reset_cause: Why the stream begins afresh with it; None when it goes on.
        begin_s: When it came, by ``time.perf_counter``.
    """

    request: FrameRequest
    turn: Turn
    state: State | None
    reset_cause: ResetCause | None
    begin_s: float


def grouped(
    frames: Iterable[Pending],
    is_batchable: Callable[[Pending], bool],
    input_size: Callable[[int, int], tuple[int, int]],
    limit: int,
) -> list[list[Pending]]:
    """The frames in the groups to be computed, in that order.

    Together are batchable frames of one input size, with the same tasks and with states of one
    form, at most ``limit``. What has to be computed by itself comes last: it takes longer.

    Args:
        frames: In the order in which they came, which is kept otherwise.
        is_batchable: Whether a frame may be part of a batch.
        input_size: The network's, for an image's height and width.
        limit: At least 1.
    """
    alike: dict[Hashable, list[Pending]] = {}
    alone = []
    for frame in frames:
        if is_batchable(frame):
            size = input_size(*frame.request.rgb.shape[:2])
            key = (size, frame.turn.tasks, form(frame.state))
            alike.setdefault(key, []).append(frame)
        else:
            alone.append([frame])
    batches = [
        group[first : first + limit]
        for group in alike.values()
        for first in range(0, len(group), limit)
    ]
    return batches + alone
