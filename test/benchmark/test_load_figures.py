# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The load benchmark's figures of made-up runs, and that each of its verdicts can fail."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from benchmarks.load_figures import (
    CameraLog,
    camera_figures,
    memory_figures,
    percentiles,
    verdicts,
)

MS = 1_000_000
PERIOD_S = 0.1


def run(old: int = 0, wait_ms: int = 20) -> CameraLog:
    """30 frames at 10 Hz, of which every third is answered.

    A frame that is ``old`` frames behind the newest is begun with ``wait_ms`` after the newest,
    and takes 50 ms.
    """
    log = CameraLog(offered=array("q", (number * 100 * MS for number in range(30))))
    for number in range(3, 30, 3):
        log.answer(log.offered[number - old], log.offered[number] + (wait_ms + 50) * MS)
        log.timing(50.0)
        log.timing(9e9)  # of no answer that is still without one
    log.node = {"received": 28, "answered": 9, "dropped.replaced": 17, "dropped.failed": 1}
    return log


def judged(log: CameraLog, minutes: float = 0.05, **memory: float) -> list[str]:
    """The promises that were not kept."""
    cameras = {"front": camera_figures(log, PERIOD_S, minutes)}
    found = verdicts(cameras, memory or None, minutes)
    return [name for name, verdict in found.items() if verdict.startswith("BROKEN")]


def test_the_figures_of_a_camera() -> None:
    figures = camera_figures(run(), PERIOD_S, minutes=0.05)
    assert (figures["offered"], figures["received_by_node"], figures["not_received"]) == (30, 28, 2)
    assert (figures["answered"], figures["answers_arrived"], figures["answered_hz"]) == (9, 9, 3.0)
    assert figures["dropped"] == {"replaced": 17, "failed": 1} and figures["uncounted"] == 1
    assert figures["latency_ms"] == {"p50": 70, "p95": 70, "p99": 70, "max": 70}
    assert figures["waited_ms"]["max"] == 20 and figures["behind_ms"]["max"] == 0
    assert figures["behind_at_most_a_period"] == figures["waited_at_most_a_period"] == 1
    assert judged(run()) == []


def test_an_old_frame_is_seen() -> None:
    figures = camera_figures(run(old=2), PERIOD_S, 0.05)
    assert figures["behind_ms"]["p50"] == 200 and figures["waited_ms"]["p50"] == 220
    assert [name.partition(" ")[0] for name in judged(run(old=2))] == ["always", "latency:"]
    assert judged(run(old=1)) == []  # it may have been under way when the newer one was published


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (lambda log: log.node.update({"dropped.replaced": 3}), "every loss counted"),
        (lambda log: log.node.update({"dropped.replaced": 19}), "every loss counted"),
        (lambda log: log.answers.append(log.answers[-1]) or log.processing_ms.append(50.0),
         "answers are in order"),
        (lambda log: log.node.update(answered=0, received=18), "every camera is answered"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(change, promise: str) -> None:
    log = run()
    change(log)
    (name,) = judged(log)
    assert name.startswith(promise)


def test_an_answer_without_a_timing_is_in_the_latency_alone() -> None:
    log = run()
    log.answer(log.offered[-1], log.offered[-1] + 500 * MS)
    figures = camera_figures(log, PERIOD_S, 0.05)
    assert figures["latency_ms"]["max"] == 500 and figures["waited_ms"]["max"] == 20


def test_memory_is_judged_after_the_warm_up_and_ten_minutes() -> None:
    rising = [(s, 500 + max(0, 100 - s) + s / 36) for s in range(0, 3600, 10)]  # 100 MB an hour
    figures = memory_figures(rising)
    assert figures["slope_mb_per_hour"] == pytest.approx(100, abs=0.1)
    flat = memory_figures([(s, 500 + max(0, 100 - s)) for s in range(0, 3600, 10)])
    assert flat["slope_mb_per_hour"] == 0 and flat["max_mb"] == 600
    assert judged(run(), 60, **figures) == ["memory flat"]
    assert judged(run(), 60, **flat) == judged(run(), 5, **figures) == []
    assert memory_figures([(0, 1)]) is None


def test_nothing_seen_is_nothing_kept() -> None:
    cameras = {"front": camera_figures(CameraLog(), PERIOD_S, 1)}
    assert cameras["front"]["latency_ms"] is None and percentiles([math.nan]) is None
    broken = [v for v in verdicts(cameras, None, 1).values() if v.startswith("BROKEN")]
    assert len(broken) == 3
    assert np.isfinite(percentiles([1, math.nan, 3])["p50"])
