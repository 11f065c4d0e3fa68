# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a camera's frames are no longer one video, and its state must not be used any more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

UNSTAMPED = 0
"""The stamp of a driver without a clock, as in ROS."""


class ResetCause(str, Enum):
    """Why a stream began afresh. The values are what diagnostics show."""

    START = "start"
    TIME_JUMP_BACK = "time_jump_back"
    STAMP_NOT_INCREASING = "stamp_not_increasing"
    GAP = "gap"
    SIZE_CHANGED = "size_changed"
    ENCODING_CHANGED = "encoding_changed"
    FRAME_ID_CHANGED = "frame_id_changed"
    ACTIVATED = "activated"
    RELOADED = "reloaded"
    ERROR = "error"

    __str__ = str.__str__


@dataclass(frozen=True)
class _Seen:
    stamp_ns: int
    size: tuple[int, int]


class StreamMonitor:
    """Watches one camera's stamps and sizes.

    A stamp of 0 is no time: frames that all carry it are one video, of which only the size is
    watched. Any other stamp that does not move says that frames are repeated or that the driver's
    clock stands still, and resets the stream at every frame, with the cause
    ``STAMP_NOT_INCREASING``. A change between 0 and real stamps is a gap or a jump back.

    Args:
        max_gap_s: Seconds between two frames above which they are not one video.

    Raises:
        ValueError: When ``max_gap_s`` is not positive.
    """

    def __init__(self, max_gap_s: float) -> None:
        if not max_gap_s > 0:
            raise ValueError(f"max_gap_s must be positive, not {max_gap_s}")
        self._max_gap_ns = max_gap_s * 1e9
        self._last: _Seen | None = None

    def restart(self) -> None:
        """Forget what was seen: nothing is compared with the next frame."""
        self._last = None

    def observe(self, stamp_ns: int, size: tuple[int, int]) -> ResetCause | None:
        """Take note of a frame.

        Args:
            stamp_ns: The frame's time in nanoseconds.
            size: Its height and width.

        Returns:
            Why this frame does not continue the last one; None when it does.
        """
        last, self._last = self._last, _Seen(stamp_ns, size)
        if last is None:
            return ResetCause.START
        if size != last.size:
            return ResetCause.SIZE_CHANGED
        if stamp_ns == last.stamp_ns == UNSTAMPED:
            return None
        if stamp_ns < last.stamp_ns:
            return ResetCause.TIME_JUMP_BACK
        if stamp_ns == last.stamp_ns:
            return ResetCause.STAMP_NOT_INCREASING
        if stamp_ns - last.stamp_ns > self._max_gap_ns:
            return ResetCause.GAP
        return None
