# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of diagnostics share: a clock of their own, and answers to account for."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from mila_ros.ros.records import AnswerRecord

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def answer(stamp_s: float = 0.0, **changes: Any) -> AnswerRecord:
    values: dict[str, Any] = {
        "stamp_ns": round(stamp_s * 1e9),
        "timings_ms": {"convert": 1.0, "network": 10.0, "processing": 12.0},
        "latency_ms": 20.0,
        "new_keyframe_ns": None,
        "keyframe_age": 3,
        "keyframe_age_s": 0.3,
        "keyframe_failure": None,
        "resets": {"start": 1},
        "focal_length": "camera_info",
        "info_lag_s": 0.05,
    }
    return AnswerRecord(**values | changes)
