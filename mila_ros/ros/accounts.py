# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is told of a frame that was answered: its camera's statistics, and its timings' topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from mila_ros.ros.cameras import Camera, Incoming, nanoseconds
from mila_ros.ros.geometry import Pinhole
from mila_ros.ros.records import AnswerRecord
from mila_ros.ros.topics import STAGES
from mila_ros.streaming import Frame, Perception

LATENCY_LIMIT_MS = 60_000.0
"""Stamps farther than this from the ROS clock are of another clock."""


class Accounts:
    """Keeps the cameras' statistics and publishes what is watched of the timings.

    Args:
        cameras: by name; they may be filled in later.
        perception: counts the resets.
        now_ns: reads the ROS clock, by which latency is measured.
    """

    def __init__(
        self, cameras: Mapping[str, Camera], perception: Perception, now_ns: Callable[[], int]
    ) -> None:
        self._cameras = cameras
        self._perception = perception
        self._now_ns = now_ns
        self._published_s: dict[str, float] = {}

    def restart(self) -> None:
        """Forget when frames were published."""
        self._published_s.clear()

    def answered(
        self,
        name: str,
        incoming: Incoming,
        frame: Frame,
        model: Pinhole | None,
        timings_ms: Mapping[str, float],
    ) -> None:
        """Account for a frame whose outputs have just been published."""
        camera, info = self._cameras[name], incoming.info
        now_s = time.monotonic()
        before_s, self._published_s[name] = self._published_s.get(name), now_s
        age_ms = (self._now_ns() - incoming.stamp_ns) * 1e-6
        latency_ms = age_ms if 0 <= age_ms < LATENCY_LIMIT_MS else None
        resets = self._perception.resets(name)
        camera.statistics.answered(
            AnswerRecord(
                stamp_ns=incoming.stamp_ns,
                timings_ms=timings_ms,
                latency_ms=latency_ms,
                new_keyframe_ns=frame.keyframe_stamp_ns if frame.is_keyframe_new else None,
                keyframe_age=frame.keyframe_age,
                keyframe_age_s=frame.keyframe_age_s,
                keyframe_failure=frame.keyframe_failure,
                resets={cause.value: count for cause, count in resets.items()},
                focal_length=model.source if model else "assumed",
                info_lag_s=(incoming.stamp_ns - nanoseconds(info)) * 1e-9 if info else None,
            ),
            incoming.settings.diagnostics_max_allowed_processing_time_ms,
        )
        camera.outputs.publish_timings(
            {
                "debug/processing_time_ms": timings_ms["processing"],
                "debug/cyclic_time_ms": None if before_s is None else (now_s - before_s) * 1e3,
                "debug/pipeline_latency_ms": latency_ms,
                **{f"debug/stage/{stage}_ms": timings_ms[stage] for stage in STAGES},
            }
        )
