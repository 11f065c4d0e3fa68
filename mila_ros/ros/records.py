# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is written down about frames: needs no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AnswerRecord:
    """One answered frame: its stages in milliseconds, its keyframe and how its depth was scaled.

    ``new_keyframe_ns`` is the stamp of the keyframe where that came into use with this frame, else
    None; ``keyframe_failure`` why there is no newer one, None where nothing failed. ``latency_ms``
    is publish time minus header stamp on the ROS clock, None where the stamp is not of that clock
    (a bag played without ``/clock``). ``info_lag_s`` is the stamp minus that of the calibration in
    use, None where there is none.
    """

    stamp_ns: int
    timings_ms: Mapping[str, float]
    latency_ms: float | None
    new_keyframe_ns: int | None
    keyframe_age: int
    keyframe_age_s: float
    keyframe_failure: str | None
    resets: Mapping[str, int]
    focal_length: str
    info_lag_s: float | None


@dataclass(frozen=True)
class InputCounts:
    """A camera's input at one moment; ``None`` is not known yet.

    ``problem`` is a state and its sentence: ``failed``, ``rejected`` or ``waiting_camera_info``,
    for the last frame.
    """

    age_s: float | None
    rate_hz: float | None
    output_rate_hz: float | None
    received: int
    answered: int
    dropped: Mapping[str, int]
    format: str
    problem: tuple[str, str] | None
