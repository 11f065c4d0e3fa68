# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node tells on /diagnostics.

One status per camera's input, one each for processing, keyframes and the model. They are built
on diagnostic_msgs itself because diagnostic_updater is no wheel.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus

from mila_ros.ros.camera_statistics import CameraStatistics
from mila_ros.ros.model_diagnostics import keyframe_status, model_status, number, status
from mila_ros.ros.records import AnswerRecord, InputCounts

PERCENTILES = (50, 95, 99)


def all_statuses(
    node: str,
    accounts: Mapping[str, CameraStatistics],
    *,
    idle: str,
    timeout_s: float,
    max_delay_ms: float,
    wanted_period_s: float | None,
    max_age_s: float,
    problem: str | None,
    model: Mapping[str, object],
    activity: str = "",
) -> list[DiagnosticStatus]:
    """Return every status of the node; see the functions below for what they are made of.

    Of a camera that is silent or not subscribed to, what was last does not say how things are.
    """
    statuses = [
        input_status(f"{node}: input {camera}", account, timeout_s=timeout_s, idle=idle)
        for camera, account in accounts.items()
    ]
    names = f"{node}: processing", f"{node}: keyframes"
    if model and idle:
        statuses += [status(name, DiagnosticStatus.OK, _idle_text(idle), {}) for name in names]
    elif model:
        silent = {name for name, one in accounts.items() if one.silence_s() > timeout_s}
        statuses += [
            processing_status(names[0], accounts, max_delay_ms, silent),
            keyframe_status(names[1], wanted_period_s, max_age_s, accounts, silent),
        ]
    return [*statuses, model_status(f"{node}: model", problem, model, activity)]


def input_status(
    name: str, account: CameraStatistics, *, timeout_s: float, idle: str = ""
) -> DiagnosticStatus:
    """Return the status of a camera's input: one state, and the counts behind it.

    The states: ``idle``, where that is not empty; waiting_image and stale, after ``timeout_s``
    without an image (WARN); failed and rejected, for the last frame (ERROR); waiting_camera_info,
    where somebody subscribes to what cannot be had without (WARN); ok. Then how long frames take,
    from the worker to publication and from their stamp, over the latest ones.
    """
    counts, answers = account.counts(), account.answers()
    level, state, text = _input_state(counts, account.topic, timeout_s, idle)
    values: dict[str, object] = {
        "state": state,
        "topic": account.topic,
        "format": counts.format or "n/a",
        "age_s": number(counts.age_s, 3),
        "rate_hz": number(counts.rate_hz, 2),
        "output_rate_hz": number(counts.output_rate_hz, 2),
        "received": counts.received,
        "answered": counts.answered,
    }
    values |= {f"dropped.{cause}": count for cause, count in counts.dropped.items()}
    if answers:
        values["focal_length"] = answers[-1].focal_length
        values["camera_info_lag_s"] = number(answers[-1].info_lag_s, 3)
        resets = sorted(answers[-1].resets.items())
        values |= {f"resets.{cause}": count for cause, count in resets}
    stages = _stages(answers)
    for stage in ("processing_ms", "latency_ms"):
        values |= _percentiles(stage, stages.get(stage, []))
    return status(name, level, text, values)


def processing_status(
    name: str,
    cameras: Mapping[str, CameraStatistics],
    max_delay_ms: float,
    silent: Container[str] = (),
) -> DiagnosticStatus:
    """Return the status of the time that frames take, over the latest of all cameras.

    Each stage of ``AnswerRecord.timings_ms`` and the latency have a p50, p95 and p99. A warning
    where the last frame of a camera that is not ``silent`` took longer than allowed, an error where
    all did for ``max_delay_ms``; the two keys about it are spelled as Autoware's nodes do.
    """
    answers = [answer for account in cameras.values() for answer in account.answers()]
    live = (account for camera, account in cameras.items() if camera not in silent)
    late_for_ms = max((account.late_for_ms() for account in live), default=0.0)
    values: dict[str, object] = {
        "frames": len(answers),
        "is_processing_time_ms_in_expected_range": late_for_ms == 0,
        "is_consecutive_processing_delay_in_range": late_for_ms <= max_delay_ms,
    }
    none: list[float] = []
    stages = {"processing_ms": none, "latency_ms": none, **_stages(answers)}
    for stage, numbers in stages.items():
        values |= _percentiles(stage, numbers)
    if not answers:
        return status(name, DiagnosticStatus.OK, "no frame yet", values)
    level, text = DiagnosticStatus.OK, f"{values['processing_ms.p50']} ms per frame"
    if late_for_ms > max_delay_ms:
        level = DiagnosticStatus.ERROR
        text += f", longer than allowed for {late_for_ms:.0f} ms"
    elif late_for_ms:
        level, text = DiagnosticStatus.WARN, f"{text}, the last one longer than allowed"
    return status(name, level, text, values)


def percentile(numbers: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of at least one number."""
    ordered = sorted(numbers)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def _input_state(
    counts: InputCounts, topic: str, timeout_s: float, idle: str
) -> tuple[bytes, str, str]:
    if idle:
        return DiagnosticStatus.OK, idle, _idle_text(idle)
    if counts.age_s is None:
        return DiagnosticStatus.WARN, "waiting_image", f"no image yet on {topic}"
    if counts.age_s > timeout_s:
        return DiagnosticStatus.WARN, "stale", f"no image for {counts.age_s:.1f} s on {topic}"
    if counts.problem is not None:
        state, sentence = counts.problem
        is_warning = state == "waiting_camera_info"
        level = DiagnosticStatus.WARN if is_warning else DiagnosticStatus.ERROR
        return level, state, sentence
    return DiagnosticStatus.OK, "ok", "ok"


def _idle_text(idle: str) -> str:
    return f"the node is {idle}"


def _stages(answers: Iterable[AnswerRecord]) -> dict[str, list[float]]:
    """The times of each stage; latency_ms only for the frames whose latency is known."""
    stages: dict[str, list[float]] = {}
    for answer in answers:
        for stage, milliseconds in answer.timings_ms.items():
            stages.setdefault(f"{stage}_ms", []).append(milliseconds)
        if answer.latency_ms is not None:
            stages.setdefault("latency_ms", []).append(answer.latency_ms)
    return stages


def _percentiles(stage: str, numbers: Sequence[float]) -> dict[str, object]:
    return {
        f"{stage}.p{p}": number(percentile(numbers, p) if numbers else None, 1) for p in PERCENTILES
    }
