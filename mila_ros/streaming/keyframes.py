# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When the slow network runs.

A policy only does arithmetic on the times it is given, so a recording has its keyframes on the
same frames at whatever speed it is played. It knows nothing of state: that the first frame of a
stream is a keyframe, and the first after a reset, follows from its being registered anew.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

DEFAULT_MAX_AGE_S = 2.0


class KeyframePolicy(ABC):
    """Decides for every camera which of its frames are keyframes, and staggers the cameras.

    Per frame, :class:`Perception` calls ``advance``, ``due``, and then ``taken`` or ``passed``. The
    cameras' places, in the order of registration, are spread evenly over the interval; what forces
    a keyframe out of turn does not move them.

    Args:
        max_age_s: A frame whose last keyframe is this old or older, in seconds by the frames'
            stamps, becomes one. This limit is not staggered.

    Attributes:
        wants_evidence: Whether ``observe`` is to be called.

    Raises:
        ValueError: When ``max_age_s`` is not positive.
    """

    wants_evidence = False

    def __init__(self, max_age_s: float) -> None:
        if not max_age_s > 0:
            raise ValueError(f"max_age_s must be positive, not {max_age_s}")
        self.max_age_s = max_age_s
        self._keyframe_ns: dict[str, int | None] = {}  # None: no frame since registration

    def register(self, camera: str) -> None:
        """Start a camera's stream, or start it anew; a known camera keeps its place."""
        self._keyframe_ns[camera] = None

    def forget(self, camera: str) -> None:
        """Give up a camera's place; the others close up."""
        self._keyframe_ns.pop(camera, None)

    def advance(self, now_ns: int) -> None:  # noqa: B027 (a policy without a clock ignores it)
        """Set the policy's clock, in nanoseconds. It may jump, also back."""

    def due(self, camera: str, stamp_ns: int) -> bool:
        """Whether the camera's frame of that time is to be a keyframe. Changes nothing."""
        keyframe_ns = self._keyframe_ns[camera]
        if keyframe_ns is None:
            return True
        age_s = (stamp_ns - keyframe_ns) * 1e-9
        return not 0 <= age_s < self.max_age_s or self._is_turn(camera)

    def taken(self, camera: str, stamp_ns: int) -> None:
        """The frame became a keyframe, due or not."""
        self._keyframe_ns[camera] = stamp_ns

    def passed(self, camera: str) -> None:  # noqa: B027 (only some policies count frames)
        """The frame did not become a keyframe."""

    def observe(  # noqa: B027 (only the adaptive policy looks at evidence)
        self, camera: str, keyframe_ns: int, evidence: float
    ) -> None:
        """How well the keyframe of that time explains the camera's latest frame."""

    @abstractmethod
    def _is_turn(self, camera: str) -> bool:
        """Whether the policy's interval has come round for a camera that has a keyframe."""

    def _place(self, camera: str, interval: int) -> int:
        """Where in ``interval`` a camera's turn is: its share of it, from 0."""
        return list(self._keyframe_ns).index(camera) * interval // len(self._keyframe_ns)

    def _is_alone(self) -> bool:
        return len(self._keyframe_ns) == 1


class OnRequest(KeyframePolicy):
    """Only what is asked for by ``Perception.request_keyframe``, as the ROS node's timer does.

    Args:
        max_age_s: See :class:`KeyframePolicy`; it holds when nobody asks, such as while the clock
            of a timer stands still.
    """

    def __init__(self, max_age_s: float = DEFAULT_MAX_AGE_S) -> None:
        super().__init__(max_age_s)

    def _is_turn(self, camera: str) -> bool:
        return False


class EveryN(KeyframePolicy):
    """Every ``n``-th frame of each camera: the paper's K.

    Cameras whose frames arrive in step never share a keyframe after the first, as long as there
    are no more than ``n``; a camera that pauses joins them again. Where rates differ or frames
    are dropped the places drift: use :class:`Period` there.

    Args:
        n: Frames from keyframe to keyframe, at least 1.
        max_age_s: See :class:`KeyframePolicy`.

    Raises:
        ValueError: When an argument is out of range.
    """

    def __init__(self, n: int, max_age_s: float = DEFAULT_MAX_AGE_S) -> None:
        super().__init__(max_age_s)
        if n < 1:
            raise ValueError(f"a keyframe every n frames needs an n of at least 1, not {n}")
        self.n = n
        self._age: dict[str, int] = {}  # frames since the last keyframe
        self._position: dict[str, int] = {}  # own frames, counted on from the round of the first
        self._round = 0  # a round is over when a camera comes a second time
        self._in_round: set[str] = set()

    def register(self, camera: str) -> None:
        super().register(camera)
        self._position.pop(camera, None)

    def forget(self, camera: str) -> None:
        super().forget(camera)
        self._age.pop(camera, None)
        self._position.pop(camera, None)
        self._in_round.discard(camera)

    def taken(self, camera: str, stamp_ns: int) -> None:
        super().taken(camera, stamp_ns)
        self._count(camera)
        self._age[camera] = 0

    def passed(self, camera: str) -> None:
        self._count(camera)
        self._age[camera] = self._age.get(camera, 0) + 1

    def _is_turn(self, camera: str) -> bool:
        if self._age[camera] + 1 >= self.n:
            return True
        if self._is_alone():
            return False
        return (self._position[camera] + 1) % self.n == self._place(camera, self.n)

    def _count(self, camera: str) -> None:
        if camera in self._in_round:
            self._round += 1
            self._in_round.clear()
        self._in_round.add(camera)
        before = self._position.get(camera)
        self._position[camera] = self._round if before is None else before + 1


class Period(KeyframePolicy):
    """The first frame in each period of ``period_s`` seconds, whatever the cameras' rates.

    Args:
        period_s: Seconds from keyframe to keyframe, positive.
        max_age_s: See :class:`KeyframePolicy`; twice the period when not given.

    Raises:
        ValueError: When an argument is out of range.
    """

    def __init__(self, period_s: float, max_age_s: float | None = None) -> None:
        if not 0 < period_s < math.inf:
            raise ValueError(f"a keyframe period must be positive and finite, not {period_s} s")
        super().__init__(2 * period_s if max_age_s is None else max_age_s)
        self.period_s = period_s
        self._period_ns = max(round(period_s * 1e9), 1)
        self._now_ns = 0
        self._origin_ns = 0  # where the first period begins
        self._turn_ns: dict[str, int] = {}  # the clock at the last keyframe

    def forget(self, camera: str) -> None:
        super().forget(camera)
        self._turn_ns.pop(camera, None)

    def advance(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def taken(self, camera: str, stamp_ns: int) -> None:
        if self._keyframe_ns[camera] is None and self._is_alone():
            self._origin_ns = self._now_ns
        super().taken(camera, stamp_ns)
        self._turn_ns[camera] = self._now_ns

    def _is_turn(self, camera: str) -> bool:
        begin_ns = self._origin_ns + self._place(camera, self._period_ns)
        now, before = (
            (time_ns - begin_ns) // self._period_ns
            for time_ns in (self._now_ns, self._turn_ns[camera])
        )
        return now != before
