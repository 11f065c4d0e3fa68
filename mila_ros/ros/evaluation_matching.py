# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which messages belong to one frame: its image, the node's answers and what is true, by stamp."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

OPEN_FRAMES = 256
"""Frames that may wait for their answers; older ones are taken for unanswered."""

NEWER_ANSWERS = 2
"""After so many answers to newer frames nothing more comes for a frame: one worker answers."""


@dataclass
class MatchedFrame:
    """A frame with all that came for it; times are nanoseconds of the system clock, 0 unknown.

    Attributes:
        stamp_ns: The stamp that all share.
        image_ns: When its image was published, 0 where the image has not been seen.
        published_ns: When its last answer was published.
        received_ns: When its last answer was received.
        received_stamp_ns: The same on the ROS clock.
        outputs: The answers by topic, serialised.
        truths: What is true, by topic, serialised.
        keyframe_ns: Stamp of the keyframe that it was answered with; None before the first.
        keyframe_age: Answered frames since that one, 0 for the keyframe itself.
    """

    stamp_ns: int
    image_ns: int = 0
    published_ns: int = 0
    received_ns: int = 0
    received_stamp_ns: int = 0
    outputs: dict[str, bytes] = field(default_factory=dict)
    truths: dict[str, bytes] = field(default_factory=dict)
    keyframe_ns: int | None = None
    keyframe_age: int | None = None


class Matcher:
    """Gathers messages as they come and yields each frame once nothing more can come for it.

    Args:
        tolerance_ns: Most by which a truth's stamp may differ from its frame's; the nearest counts.
    """

    def __init__(self, tolerance_ns: int = 0) -> None:
        self._tolerance_ns = tolerance_ns
        self._open: OrderedDict[int, MatchedFrame] = OrderedDict()
        self._truths: dict[str, OrderedDict[int, bytes]] = {}
        self._keyframes: deque[tuple[int, int]] = deque(maxlen=OPEN_FRAMES)
        self._keyframe_ns: int | None = None
        self._keyframe_number = 0
        self._answered = 0
        self._numbers: OrderedDict[int, int] = OrderedDict()

    def image(self, stamp_ns: int, published_ns: int) -> None:
        """An image was published."""
        self._frame(stamp_ns).image_ns = published_ns

    def output(
        self,
        topic: str,
        stamp_ns: int,
        data: bytes,
        published_ns: int,
        received_ns: int,
        received_stamp_ns: int,
    ) -> None:
        """An answer came."""
        frame = self._frame(stamp_ns)
        frame.outputs[topic] = data
        frame.published_ns = max(frame.published_ns, published_ns)
        frame.received_ns = max(frame.received_ns, received_ns)
        frame.received_stamp_ns = max(frame.received_stamp_ns, received_stamp_ns)

    def truth(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """What is true of some frame came."""
        truths = self._truths.setdefault(topic, OrderedDict())
        truths[stamp_ns] = data
        while len(truths) > OPEN_FRAMES:
            truths.popitem(last=False)

    def keyframe(self, stamp_ns: int, published_ns: int) -> None:
        """The frame with this stamp is the keyframe of what was published last, and after it.

        With concurrent keyframes that is some frames after its own.
        """
        self._keyframes.append((stamp_ns, published_ns))

    def closed(self) -> Iterator[MatchedFrame]:
        """Yield the frames for which nothing more can come, in the order of their arrival."""
        answered = sum(1 for frame in self._open.values() if frame.outputs)
        while self._open:
            first = next(iter(self._open.values()))
            newer = answered - bool(first.outputs)
            if newer < NEWER_ANSWERS and len(self._open) <= OPEN_FRAMES:
                return
            answered = newer
            yield self._close()

    def finish(self) -> Iterator[MatchedFrame]:
        """Yield all frames that are left."""
        while self._open:
            yield self._close()

    def _frame(self, stamp_ns: int) -> MatchedFrame:
        return self._open.setdefault(stamp_ns, MatchedFrame(stamp_ns))

    def _close(self) -> MatchedFrame:
        stamp_ns, frame = self._open.popitem(last=False)
        for topic, truths in self._truths.items():
            nearest = min(truths, key=lambda other: abs(other - stamp_ns), default=None)
            if nearest is None or abs(nearest - stamp_ns) > self._tolerance_ns:
                continue
            frame.truths[topic] = truths[nearest]
            # A frame after this one may be nearest to the same truth, but to no earlier one.
            while next(iter(truths)) != nearest:
                truths.popitem(last=False)
        if frame.outputs:
            self._count_age(frame)
        return frame

    def _count_age(self, frame: MatchedFrame) -> None:
        """Give an answered frame its keyframe: the last one told before the next answer."""
        self._answered += 1
        self._numbers[frame.stamp_ns] = self._answered
        while len(self._numbers) > OPEN_FRAMES:
            self._numbers.popitem(last=False)
        next_ns = min((f.published_ns for f in self._open.values() if f.outputs), default=math.inf)
        while self._keyframes and self._keyframes[0][1] < next_ns:
            self._keyframe_ns = self._keyframes.popleft()[0]
            # One whose own answers were lost counts as the frame with which it was told.
            self._keyframe_number = self._numbers.get(self._keyframe_ns, self._answered)
        if self._keyframe_ns is not None:
            frame.keyframe_ns = self._keyframe_ns
            frame.keyframe_age = self._answered - self._keyframe_number
