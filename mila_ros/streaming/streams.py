# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of each camera, and of how many."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from ..networks import State
from .continuity import ResetCause, StreamMonitor


@dataclass
class Stream:
    """One camera: two frames of features and some numbers.

    Attributes:
        monitor: Watches stamps and sizes.
        state: For the network's next frame; None at the start.
        tasks: Those computed on the last frame.
        restarted_by: A reset since the last frame began.
        keyframe_wanted: A keyframe was requested since.
        keyframe_age: Frames since the last keyframe.
        keyframe_ns: The time of the last keyframe.
        resets: Beginnings of the stream by cause.
    """

    monitor: StreamMonitor
    state: State | None = None
    tasks: frozenset[str] = frozenset()
    restarted_by: ResetCause | None = None
    keyframe_wanted: bool = False
    keyframe_age: int = 0
    keyframe_ns: int = 0
    resets: Counter[ResetCause] = field(default_factory=Counter)

    def restart(self, cause: ResetCause) -> None:
        """Drop the state; :meth:`finish` of a frame under way will not bring it back."""
        self.state = None
        self.restarted_by = cause
        self.resets[cause] += 1
        self.monitor.restart()

    def begin(self, stamp_ns: int, size: tuple[int, int]) -> ResetCause | None:
        """A frame has come: why it does not continue the last one, None when it does."""
        cause = self.monitor.observe(stamp_ns, size)
        if self.restarted_by is not None:
            cause, self.restarted_by = self.restarted_by, None
        elif cause is not None:
            self.state = None
            self.resets[cause] += 1
        return cause

    def finish(self, state: State, tasks: frozenset[str], time_ns: int, keyframe: bool) -> None:
        """The frame has been computed."""
        self.state = state if self.restarted_by is None else None
        self.tasks = tasks
        if keyframe:
            self.keyframe_age, self.keyframe_ns = 0, time_ns
        else:
            self.keyframe_age += 1


class Streams(OrderedDict[str, Stream]):
    """Streams by camera, the longest idle first; never more than ``limit``.

    Args:
        limit: At least 1.
        max_gap_s: See :class:`StreamMonitor`.

    Raises:
        ValueError: When an argument is out of range.
    """

    def __init__(self, limit: int, max_gap_s: float) -> None:
        super().__init__()
        if limit < 1:
            raise ValueError(f"max_cameras must be at least 1, not {limit}")
        StreamMonitor(max_gap_s)  # an unusable gap is refused now, not at the first frame
        self._limit = limit
        self._max_gap_s = max_gap_s

    def use(self, camera: str) -> tuple[Stream, str | None]:
        """The camera's stream, which is then the last to be dropped.

        Returns:
            The stream, a new one for a new camera, and the camera that had to make room for it.
        """
        dropped = None
        if camera not in self:
            if len(self) == self._limit:
                dropped, _ = self.popitem(last=False)
            self[camera] = Stream(StreamMonitor(self._max_gap_s))
        self.move_to_end(camera)
        return self[camera], dropped
