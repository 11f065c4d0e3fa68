# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node tells on /diagnostics about the model and its keyframes."""

from __future__ import annotations

from collections.abc import Container, Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from mila_ros.ros.camera_statistics import CameraStatistics

_LATE = 1.5
"""How many times as long as wanted is a warning."""


def keyframe_status(
    name: str,
    wanted_period_s: float | None,
    max_age_s: float,
    cameras: Mapping[str, CameraStatistics],
    silent: Container[str] = (),
) -> DiagnosticStatus:
    """Return the status of the keyframes, by those of the cameras that are not ``silent``.

    A warning where they come too seldom for the period that is wanted, which is None where the
    policy counts frames, or where the one in use is too old; an error where the slow network
    failed and frames go on without it.
    """
    values: dict[str, object] = {"wanted_period_s": number(wanted_period_s, 3)}
    late, failed = [], []
    for camera, camera_statistics in cameras.items():
        achieved = camera_statistics.keyframe_period_s()
        latest = camera_statistics.answers()[-1:]
        age_s = latest[0].keyframe_age_s if latest else None
        values[f"{camera}.achieved_period_s"] = number(achieved, 3)
        values[f"{camera}.age_frames"] = latest[0].keyframe_age if latest else "n/a"
        values[f"{camera}.age_s"] = number(age_s, 3)
        if camera in silent:
            continue
        if latest and latest[0].keyframe_failure is not None:
            failed.append(f"{camera}: {latest[0].keyframe_failure}")
        elif age_s and age_s > _LATE * max_age_s:
            late.append(f"{camera} has one of {age_s:.2f} s ago, wanted after {max_age_s:.2f} s")
        elif wanted_period_s and achieved and achieved > _LATE * wanted_period_s:
            late.append(f"{camera} every {achieved:.2f} s, wanted every {wanted_period_s:.2f} s")
    if failed:
        text = f"{'; '.join(failed)}; frames go on with the keyframe that they have"
        return status(name, DiagnosticStatus.ERROR, text, values)
    if late:
        text = f"keyframes come late: {', '.join(late)}"
        return status(name, DiagnosticStatus.WARN, text, values)
    return status(name, DiagnosticStatus.OK, "ok", values)


def model_status(
    name: str, problem: str | None, values: Mapping[str, object], activity: str = ""
) -> DiagnosticStatus:
    """Return the status of the model: what is loaded where, or why nothing is, or not yet.

    A warning while the engine is building something, which frames may wait for.
    """
    if problem is not None:
        return status(name, DiagnosticStatus.ERROR, problem, values)
    if not values:
        return status(name, DiagnosticStatus.WARN, activity or "no model is loaded", values)
    if values.get("building"):
        text = f"building: the engine {values.get('engine')} compiles {values['building']}"
        return status(name, DiagnosticStatus.WARN, text, values)
    return status(name, DiagnosticStatus.OK, f"{values.get('model')} is loaded", values)


def number(value: float | None, digits: int) -> str:
    """Return a number in words; n/a for None."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def status(name: str, level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """Return a status with its values in words."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id="mila_ros", values=pairs
    )
