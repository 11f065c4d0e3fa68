# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of each camera, and of how many."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from ..networks import State
from ..networks.propagation import Source
from .continuity import ResetCause, StreamMonitor


class Keyframe(NamedTuple):
    """Which frame's features by the slow network a stream has.

    Attributes:
        number, time_ns, stamp_ns: Of that frame, see :class:`Turn`. As long as there is none:
            those of the stream's first frame, with None for the stamp.
    """

    number: int
    time_ns: int
    stamp_ns: int | None


@dataclass(frozen=True)
class Turn:
    """One frame of a stream, to be computed.

    Attributes:
        camera: Whose.
        stream: Its stream.
        generation: Of the stream when the frame came.
        number: Frames of this generation before it.
        stamp_ns: As given to ``step``.
        time_ns: The same, or this machine's clock for a frame without a stamp.
        tasks: To compute.
        is_due: Whether it is to be a keyframe.
        keyframe: The one in use when the frame came.
        is_keyframe_new: Whether that has come into use with this frame.
    """

    camera: str
    stream: Stream
    generation: int
    number: int
    stamp_ns: int
    time_ns: int
    tasks: frozenset[str]
    is_due: bool
    keyframe: Keyframe
    is_keyframe_new: bool

    def as_keyframe(self) -> Keyframe:
        """This frame as the one whose features are in use."""
        return Keyframe(self.number, self.time_ns, self.stamp_ns)


class Answer(NamedTuple):
    """What a frame's computation gave.

    Attributes:
        logits: By task.
        state: For the next frame.
        is_keyframe: Whether the slow network computed the logits.
        is_taken: Whether a keyframe was made of the frame, there and then or beside the frames.
    """

    logits: dict[str, Tensor]
    state: State
    is_keyframe: bool
    is_taken: bool


@dataclass(eq=False)
class Stream:
    """One camera: two frames of features and some numbers.

    Attributes:
        monitor: Watches stamps and sizes.
        state: For the network's next frame; None at the start.
        tasks: Those computed on the last frame.
        restarted_by: A reset since the last frame began.
        keyframe_wanted: A keyframe was requested since.
        generation: How often it began; what was made of a frame of an earlier one is void.
        number: Of the frame that came last, see :class:`Turn`.
        keyframe: The one in use.
        arrived: A newer one that was made beside the frames, for the next frame to take.
        failure: Why there is no newer one, in a sentence; None when nothing failed.
        resets: Beginnings of the stream by cause.
    """

    monitor: StreamMonitor
    state: State | None = None
    tasks: frozenset[str] = frozenset()
    restarted_by: ResetCause | None = None
    keyframe_wanted: bool = False
    generation: int = 0
    number: int = 0
    keyframe: Keyframe = Keyframe(0, 0, None)
    arrived: tuple[Keyframe, Mapping[str, Source]] | None = None
    failure: str | None = None
    resets: Counter[ResetCause] = field(default_factory=Counter)

    def restart(self, cause: ResetCause) -> None:
        """Drop the state; what is being computed will not bring it back."""
        self._drop(cause)
        self.restarted_by = cause
        self.monitor.restart()

    def begin(self, stamp_ns: int, time_ns: int, size: tuple[int, int]) -> ResetCause | None:
        """A frame has come: why it does not continue the last one, None when it does."""
        cause = self.monitor.observe(stamp_ns, size)
        if self.restarted_by is not None:
            cause, self.restarted_by = self.restarted_by, None
        elif cause is not None:
            self._drop(cause)
        self.number += 1
        if cause is not None:
            self.number, self.keyframe = 0, Keyframe(0, time_ns, None)
        return cause

    def deliver(self, turn: Turn, sources: Mapping[str, Source]) -> None:
        """A keyframe has been made beside the frames; it counts from the next one on."""
        if turn.generation == self.generation:
            self.arrived = turn.as_keyframe(), sources

    def fail(self, turn: Turn, sentence: str) -> bool:
        """A keyframe could not be made; whether that is new."""
        is_new = self.failure is None
        if turn.generation == self.generation:
            self.failure = sentence
        return is_new

    def take_arrived(self) -> bool:
        """Put a keyframe that has arrived in the place of the one in use, all branches at once."""
        if self.arrived is None or self.state is None:
            return False
        (self.keyframe, sources), self.arrived = self.arrived, None
        self.state = State(sources, self.state.last)
        self.failure = None
        return True

    def finish(self, turn: Turn, state: State, is_keyframe: bool) -> None:
        """The frame has been computed."""
        if turn.generation != self.generation:
            return
        self.state = state
        self.tasks = turn.tasks
        if is_keyframe:
            self.keyframe, self.failure = turn.as_keyframe(), None

    def _drop(self, cause: ResetCause) -> None:
        self.state = self.arrived = self.failure = None
        self.generation += 1
        self.resets[cause] += 1


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
                dropped, stream = self.popitem(last=False)
                stream.generation += 1
            self[camera] = Stream(StreamMonitor(self._max_gap_s))
        self.move_to_end(camera)
        return self[camera], dropped
