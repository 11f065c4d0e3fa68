# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast frames were answered, how many were not and why, and when keyframes came."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from mila_ros.ros.evaluation_matching import MatchedFrame

LATENCY_LIMIT_MS = 60_000.0
"""Stamps farther than this from the clock are of another clock."""

PERCENTILES = (50, 95, 99)

_DROPPED = "dropped."


@dataclass
class Counts:
    """The counts of an evaluation.

    Args:
        node: Name of the perception node in its diagnostics.
        camera: Of its camera that is evaluated.

    Attributes:
        has_begun: Whether an image has come; what the node had counted before is not this
            evaluation's.
        problem: Why the node has no model, empty where it has one or says nothing.
    """

    node: str
    camera: str
    has_begun: bool = False
    images: int = 0
    answered: int = 0
    keyframes: int = 0
    problem: str = ""
    by_output: Counter[str] = field(default_factory=Counter)
    _published_ms: array[float] = field(default_factory=lambda: array("d"))
    _received_ms: array[float] = field(default_factory=lambda: array("d"))
    _from_stamp_ms: array[float] = field(default_factory=lambda: array("d"))
    _intervals_s: list[float] = field(default_factory=list)
    _ages: Counter[int] = field(default_factory=Counter)
    _last_keyframe_ns: int | None = None
    _diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)

    def update(self, frame: MatchedFrame) -> None:
        """Count a frame, answered or not."""
        self.images += bool(frame.image_ns)
        if not frame.outputs:
            return
        self.answered += 1
        self.by_output.update(frame.outputs.keys())
        if frame.image_ns:
            self._published_ms.append((frame.published_ns - frame.image_ns) * 1e-6)
            self._received_ms.append((frame.received_ns - frame.image_ns) * 1e-6)
        from_stamp_ms = (frame.received_stamp_ns - frame.stamp_ns) * 1e-6
        if 0 <= from_stamp_ms < LATENCY_LIMIT_MS:
            self._from_stamp_ms.append(from_stamp_ms)
        if frame.keyframe_age is not None:
            self._ages[frame.keyframe_age] += 1
        new_ns, last_ns = frame.keyframe_ns, self._last_keyframe_ns
        if new_ns is not None and new_ns != last_ns:
            self.keyframes += 1
            if last_ns is not None and new_ns > last_ns:
                self._intervals_s.append((new_ns - last_ns) * 1e-9)
            self._last_keyframe_ns = new_ns

    def diagnostics(self, statuses: Iterable[DiagnosticStatus]) -> None:
        """Keep the latest values of each status of the node."""
        for status in statuses:
            if status.hardware_id == "mila_ros" and status.name.startswith(f"{self.node}: "):
                name = status.name.removeprefix(f"{self.node}: ")
                self._diagnostics[name] = {pair.key: pair.value for pair in status.values}
                if name == "model":
                    is_error = status.level == DiagnosticStatus.ERROR
                    self.problem = status.message if is_error else ""
        if not self.has_begun:
            self._before = self._diagnostics.get(f"input {self.camera}", {})

    def dropped(self) -> dict[str, int]:
        """Images without an answer by cause.

        The causes are the node's own; ``not_received`` are images that the evaluator saw and the
        node did not, ``unexplained`` what is left: answers that did not reach the evaluator.
        """
        account = self._diagnostics.get(f"input {self.camera}", {})
        since = {
            key: int(value) - int(self._before.get(key, 0))
            for key, value in account.items()
            if key == "received" or key.startswith(_DROPPED)
        }
        causes = {
            key.removeprefix(_DROPPED): count
            for key, count in since.items()
            if key.startswith(_DROPPED)
        }
        if "received" in since:
            causes["not_received"] = max(0, self.images - since["received"])
        missing = self.images - self.answered - sum(causes.values())
        if missing > 0:
            causes["unexplained"] = missing
        return causes

    def result(self) -> dict[str, Any]:
        """All counts, ready for JSON."""
        return {
            "frames": {
                "images": self.images,
                "answered": self.answered,
                "answered_by_output": dict(self.by_output),
                "dropped": self.dropped(),
            },
            "latency_ms": {
                "image_to_answer_published": percentiles(self._published_ms),
                "image_to_answer_received": percentiles(self._received_ms),
                "stamp_to_answer_received": percentiles(self._from_stamp_ms),
            },
            "keyframes": {
                "count": self.keyframes,
                "interval_s": percentiles(self._intervals_s),
                "answers_by_age": {str(age): count for age, count in sorted(self._ages.items())},
            },
            "node": self._diagnostics,
        }


def percentiles(numbers: Iterable[float]) -> dict[str, float] | None:
    """The median, p95 and p99, None of nothing; numpy's linear interpolation."""
    values = np.fromiter(numbers, np.float64)
    if not values.size:
        return None
    found = np.percentile(values, PERCENTILES)
    return {f"p{p}": round(float(v), 3) for p, v in zip(PERCENTILES, found, strict=True)}
