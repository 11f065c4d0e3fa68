# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node tells on /diagnostics: numbers gathered per camera, and statuses made of them.

One status per camera's input, one each for processing, keyframes and the model. They are built
on diagnostic_msgs itself because diagnostic_updater is no wheel.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

RATE_WINDOW_S = 5.0
_SAMPLES = 200
_LATE_KEYFRAMES = 1.5


@dataclass(frozen=True)
class AnswerRecord:
    """One answered frame: its stages in milliseconds, its keyframe and how its depth was scaled.

    ``latency_ms`` is publish time minus header stamp on the ROS clock, None where the stamp is
    not of that clock (a bag played without ``/clock``).
    """

    stamp_ns: int
    timings_ms: Mapping[str, float]
    latency_ms: float | None
    is_keyframe: bool
    keyframe_age: int
    keyframe_age_s: float
    resets: Mapping[str, int]
    focal_length: str


class CameraStatistics:
    """What happened to one camera's frames; written by two threads, read by a third."""

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.topic = topic
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._received = 0
        self._answered = 0
        self._dropped: Counter[str] = Counter()
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._format = ""
        self._rejection: str | None = None
        self._failure: str | None = None
        self._answers: deque[AnswerRecord] = deque(maxlen=_SAMPLES)
        self._keyframe_stamps: deque[int] = deque(maxlen=20)

    def accepted(self, image_format: str) -> None:
        """A message came and is an image; ``image_format`` is its encoding and size."""
        with self._lock:
            self._arrive()
            self._format = image_format
            self._rejection = None

    def rejected(self, cause: str, sentence: str) -> None:
        """A message came and is no image."""
        with self._lock:
            self._arrive()
            self._dropped[f"rejected.{cause}"] += 1
            self._rejection = sentence

    def refused(self, cause: str, sentence: str) -> None:
        """A message that had been accepted turned out to be no image when it was decoded."""
        with self._lock:
            self._dropped[f"rejected.{cause}"] += 1
            self._rejection = sentence

    def replaced(self) -> None:
        """A frame was replaced by a newer one before the worker came to it."""
        with self._lock:
            self._dropped["replaced"] += 1

    def unwatched(self) -> None:
        """A frame was not computed because nobody subscribes to any output."""
        with self._lock:
            self._dropped["unwatched"] += 1

    def failed(self, sentence: str) -> None:
        """A frame could not be processed through no fault of its own."""
        with self._lock:
            self._dropped["failed"] += 1
            self._failure = sentence

    def answered(self, answer: AnswerRecord) -> None:
        """A frame's outputs were published."""
        with self._lock:
            self._answered += 1
            self._failure = None
            self._answers.append(answer)
            if answer.is_keyframe:
                self._keyframe_stamps.append(answer.stamp_ns)

    def restart(self) -> None:
        """Forget what belongs to a stream; counts stay."""
        with self._lock:
            self._since = self._clock()
            self._arrivals.clear()
            self._rejection = self._failure = None
            self._keyframe_stamps.clear()

    def silence_s(self) -> float:
        """Seconds since the last message, or since the start."""
        with self._lock:
            return self._clock() - (self._arrivals[-1] if self._arrivals else self._since)

    def answers(self) -> list[AnswerRecord]:
        """The latest answers, oldest first."""
        with self._lock:
            return list(self._answers)

    def keyframe_period_s(self) -> float | None:
        """The median distance of the latest keyframes' stamps, None before the second."""
        with self._lock:
            stamps = list(self._keyframe_stamps)
        gaps = [(new - old) * 1e-9 for old, new in zip(stamps, stamps[1:], strict=False)]
        return statistics.median(gaps) if gaps else None

    def input_status(self, name: str, *, timeout_s: float, is_active: bool) -> DiagnosticStatus:
        """Return the status of the input: one state, and the counts behind it.

        The states: inactive; waiting_image and stale, after ``timeout_s`` without an image
        (WARN); failed and rejected, for the last frame (ERROR); ok.
        """
        with self._lock:
            now = self._clock()
            age_s = now - self._arrivals[-1] if self._arrivals else None
            level, state, text = self._state(age_s, timeout_s, is_active)
            recent = [at for at in self._arrivals if now - at < RATE_WINDOW_S]
            values = {
                "state": state,
                "topic": self.topic,
                "format": self._format or "n/a",
                "age_s": _number(age_s, 3),
                "rate_hz": _number(_rate(recent), 2),
                "received": self._received,
                "answered": self._answered,
            }
            values |= {f"dropped.{cause}": count for cause, count in sorted(self._dropped.items())}
            if self._answers:
                answer = self._answers[-1]
                values["focal_length"] = answer.focal_length
                values |= {
                    f"resets.{cause}": count for cause, count in sorted(answer.resets.items())
                }
        return _status(name, level, text, values)

    def _state(
        self, age_s: float | None, timeout_s: float, is_active: bool
    ) -> tuple[bytes, str, str]:
        if not is_active:
            return DiagnosticStatus.OK, "inactive", "the node is not active"
        if age_s is None:
            return DiagnosticStatus.WARN, "waiting_image", f"no image yet on {self.topic}"
        if age_s > timeout_s:
            return DiagnosticStatus.WARN, "stale", f"no image for {age_s:.1f} s on {self.topic}"
        if self._failure is not None:
            return DiagnosticStatus.ERROR, "failed", self._failure
        if self._rejection is not None:
            return DiagnosticStatus.ERROR, "rejected", self._rejection
        return DiagnosticStatus.OK, "ok", "ok"

    def _arrive(self) -> None:
        self._received += 1
        self._arrivals.append(self._clock())


def processing_status(name: str, cameras: Iterable[CameraStatistics]) -> DiagnosticStatus:
    """Return the status of the time that frames take, over the latest of all cameras.

    Each stage of ``AnswerRecord.timings_ms`` and the latency have a median (p50) and a p95.
    """
    answers = [answer for camera in cameras for answer in camera.answers()]
    if not answers:
        return _status(name, DiagnosticStatus.OK, "no frame yet", {})
    stages: dict[str, list[float]] = {}
    for answer in answers:
        for stage, milliseconds in answer.timings_ms.items():
            stages.setdefault(f"{stage}_ms", []).append(milliseconds)
        if answer.latency_ms is not None:
            stages.setdefault("latency_ms", []).append(answer.latency_ms)
    values: dict[str, object] = {"frames": len(answers)}
    for stage, numbers in stages.items():
        values[f"{stage}.p50"] = _number(percentile(numbers, 50), 1)
        values[f"{stage}.p95"] = _number(percentile(numbers, 95), 1)
    values.setdefault("latency_ms.p50", "n/a")
    total = values.get("processing_ms.p50", "n/a")
    return _status(name, DiagnosticStatus.OK, f"{total} ms per frame", values)


def keyframe_status(
    name: str, wanted_period_s: float | None, cameras: Mapping[str, CameraStatistics]
) -> DiagnosticStatus:
    """Return the status of the keyframes; a warning where they come too late.

    ``wanted_period_s`` is None where the policy counts frames.
    """
    values: dict[str, object] = {"wanted_period_s": _number(wanted_period_s, 3)}
    late = []
    for camera, camera_statistics in cameras.items():
        achieved = camera_statistics.keyframe_period_s()
        latest = camera_statistics.answers()[-1:]
        values[f"{camera}.achieved_period_s"] = _number(achieved, 3)
        values[f"{camera}.age_frames"] = latest[0].keyframe_age if latest else "n/a"
        values[f"{camera}.age_s"] = _number(latest[0].keyframe_age_s if latest else None, 3)
        if wanted_period_s and achieved and achieved > _LATE_KEYFRAMES * wanted_period_s:
            late.append(f"{camera} every {achieved:.2f} s")
    if late:
        text = f"keyframes come late: {', '.join(late)}, wanted every {wanted_period_s:.2f} s"
        return _status(name, DiagnosticStatus.WARN, text, values)
    return _status(name, DiagnosticStatus.OK, "ok", values)


def model_status(name: str, problem: str | None, values: Mapping[str, object]) -> DiagnosticStatus:
    """Return the status of the model: what is loaded where, or why nothing is."""
    if problem is not None:
        return _status(name, DiagnosticStatus.ERROR, problem, values)
    if not values:
        return _status(name, DiagnosticStatus.WARN, "no model is loaded", values)
    return _status(name, DiagnosticStatus.OK, f"{values.get('model')} is loaded", values)


def percentile(numbers: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of at least one number."""
    ordered = sorted(numbers)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def _rate(arrivals: Sequence[float]) -> float | None:
    if len(arrivals) < 2 or arrivals[-1] == arrivals[0]:
        return None
    return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _status(
    name: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id="mila_ros", values=pairs
    )
