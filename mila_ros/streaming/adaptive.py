# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keyframes when they are needed, as far as attention can tell."""

from __future__ import annotations

from .keyframes import DEFAULT_MAX_AGE_S, KeyframePolicy


class Adaptive(KeyframePolicy):
    """A keyframe when the one in use explains the frames too much less than it did at first.

    The measure is :func:`.evidence.keyframe_evidence` of each frame, divided by that of the first
    frame that had the keyframe. What a frame says holds for the next one. Cameras are not
    staggered: which of them needs a keyframe is not for the clock to say.

    Args:
        threshold: A keyframe follows when the quotient falls below; 0 to 1, more being more often.
        max_age_s: See :class:`KeyframePolicy`.

    Raises:
        ValueError: When an argument is out of range.
    """

    wants_evidence = True

    def __init__(self, threshold: float, max_age_s: float = DEFAULT_MAX_AGE_S) -> None:
        super().__init__(max_age_s)
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold of evidence must be 0 to 1, not {threshold}")
        self.threshold = threshold
        self._first: dict[str, tuple[int, float]] = {}  # the keyframe's time, evidence at first
        self._is_low: dict[str, bool] = {}
        self._replaced_ns: dict[str, int] = {}  # a keyframe in use for which another is under way

    def register(self, camera: str) -> None:
        super().register(camera)
        self._clear(camera)

    def forget(self, camera: str) -> None:
        super().forget(camera)
        self._clear(camera)

    def taken(self, camera: str, stamp_ns: int) -> None:
        super().taken(camera, stamp_ns)
        before = self._first.get(camera)
        self._clear(camera)
        if before is not None:
            self._replaced_ns[camera] = before[0]

    def observe(self, camera: str, keyframe_ns: int, evidence: float) -> None:
        if self._replaced_ns.get(camera) == keyframe_ns:
            return
        at_first_ns, first = self._first.get(camera, (None, evidence))
        if at_first_ns != keyframe_ns:
            self._first[camera] = keyframe_ns, evidence
            first = evidence
        self._is_low[camera] = evidence < self.threshold * first

    def _is_turn(self, camera: str) -> bool:
        return self._is_low.get(camera, False)

    def _clear(self, camera: str) -> None:
        self._first.pop(camera, None)
        self._is_low.pop(camera, None)
        self._replaced_ns.pop(camera, None)
