# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What happened to one camera's frames, counted; `diagnostics` tells it."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from mila_ros.ros.records import AnswerRecord, InputCounts

RATE_WINDOW_S = 5.0
_SAMPLES = 200


class CameraStatistics:
    """The account of one camera; written by two threads, read by a third."""

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.topic = topic
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._received = 0
        self._answered = 0
        self._dropped: Counter[str] = Counter()
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._departures: deque[float] = deque(maxlen=1000)
        self._format = ""
        self._problems: dict[str, str] = {}
        self._answers: deque[AnswerRecord] = deque(maxlen=_SAMPLES)
        self._keyframe_stamps: deque[int] = deque(maxlen=20)
        self._late_since: float | None = None
        self._late_for_ms = 0.0

    def accepted(self, image_format: str) -> None:
        """A message came and is an image; ``image_format`` is its encoding and size."""
        with self._lock:
            self._arrive()
            self._format = image_format
            self._problems.pop("rejected", None)

    def rejected(self, cause: str, sentence: str) -> None:
        """A message came and is no image."""
        with self._lock:
            self._arrive()
            self._drop(f"rejected.{cause}", "rejected", sentence)

    def refused(self, cause: str, sentence: str) -> None:
        """A message that had been accepted turned out to be no image when it was decoded."""
        with self._lock:
            self._drop(f"rejected.{cause}", "rejected", sentence)

    def replaced(self) -> None:
        """A frame was replaced by a newer one before the worker came to it."""
        with self._lock:
            self._dropped["replaced"] += 1

    def unwatched(self) -> None:
        """A frame was not computed because nobody subscribes to any output."""
        with self._lock:
            self._dropped["unwatched"] += 1
            # Of outputs that are no longer asked for; a later frame says whether they are mended.
            self._problems.pop("failed", None)
            self._problems.pop("waiting_camera_info", None)

    def failed(self, sentence: str, cause: str = "failed") -> None:
        """A frame could not be processed through no fault of its own."""
        with self._lock:
            self._drop(cause, "failed", sentence)

    def uncalibrated(self, sentence: str, *, is_lost: bool) -> None:
        """Outputs of a frame, or all of them, were not made for lack of a calibration."""
        with self._lock:
            self._problems["waiting_camera_info"] = sentence
            self._dropped["waiting_camera_info"] += is_lost

    def calibrated(self) -> None:
        """No output of a frame lacked a calibration."""
        with self._lock:
            self._problems.pop("waiting_camera_info", None)

    def answered(self, answer: AnswerRecord, max_processing_ms: float = 0.0) -> None:
        """A frame's outputs were published; 0 sets no limit to its time."""
        with self._lock:
            now = self._clock()
            self._answered += 1
            self._departures.append(now)
            self._problems.pop("failed", None)
            self._answers.append(answer)
            if answer.new_keyframe_ns is not None:
                self._keyframe_stamps.append(answer.new_keyframe_ns)
            processing_ms = answer.timings_ms.get("processing", 0.0)
            if not 0 < max_processing_ms < processing_ms:
                self._late_since, self._late_for_ms = None, 0.0
                return
            if self._late_since is None:
                self._late_since = now - processing_ms * 1e-3
            self._late_for_ms = (now - self._late_since) * 1e3

    def restart(self) -> None:
        """Forget what belongs to a stream; counts stay."""
        with self._lock:
            self._since = self._clock()
            self._arrivals.clear()
            self._departures.clear()
            self._problems.clear()
            self._keyframe_stamps.clear()
            self._late_since, self._late_for_ms = None, 0.0

    def silence_s(self) -> float:
        """Seconds since the last message, or since the start."""
        with self._lock:
            return self._clock() - (self._arrivals[-1] if self._arrivals else self._since)

    def answers(self) -> list[AnswerRecord]:
        """The latest answers, oldest first."""
        with self._lock:
            return list(self._answers)

    def late_for_ms(self) -> float:
        """For how long all frames have taken longer than allowed, 0 where the last one has not."""
        with self._lock:
            return self._late_for_ms

    def keyframe_period_s(self) -> float | None:
        """The median distance of the latest keyframes' stamps, None before the second."""
        with self._lock:
            stamps = list(self._keyframe_stamps)
        gaps = [(new - old) * 1e-9 for old, new in zip(stamps, stamps[1:], strict=False)]
        return statistics.median(gaps) if gaps else None

    def counts(self) -> InputCounts:
        """The input as it is now."""
        with self._lock:
            now = self._clock()
            problems = [
                (state, self._problems[state])
                for state in ("failed", "rejected", "waiting_camera_info")
                if state in self._problems
            ]
            return InputCounts(
                age_s=now - self._arrivals[-1] if self._arrivals else None,
                rate_hz=_rate(self._arrivals, now),
                output_rate_hz=_rate(self._departures, now),
                received=self._received,
                answered=self._answered,
                dropped=dict(sorted(self._dropped.items())),
                format=self._format,
                problem=problems[0] if problems else None,
            )

    def _arrive(self) -> None:
        self._received += 1
        self._arrivals.append(self._clock())

    def _drop(self, cause: str, state: str, sentence: str) -> None:
        self._dropped[cause] += 1
        self._problems[state] = sentence


def _rate(times_s: Sequence[float], now_s: float) -> float | None:
    recent = [at for at in times_s if now_s - at < RATE_WINDOW_S]
    if len(recent) < 2 or recent[-1] == recent[0]:
        return None
    return (len(recent) - 1) / (recent[-1] - recent[0])
