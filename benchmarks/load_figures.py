# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `load` makes of its observations: the figures of each camera, and which promises held."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PERCENTILES = (50, 95, 99, 100)
UNDER_WAY = 2
"""Frames that may be neither answered nor dropped when one looks: the waiting and the computed."""

WARM_UP = 0.2
"""Share of a run whose memory is not looked at."""

MIN_MINUTES_FOR_MEMORY = 10.0
MAX_GROWTH_MB_PER_HOUR = 20.0


@dataclass
class CameraLog:
    """What was seen of one camera; times in nanoseconds of the system clock.

    Attributes:
        offered: Stamps of the frames that the camera published, in order.
        answers: Of each answer, the stamp and when it arrived here.
        processing_ms: Of each answer, NaN where the node's timing did not arrive.
        node: The node's own counts, from its diagnostics.
    """

    offered: array[int] = field(default_factory=lambda: array("q"))
    answers: list[tuple[int, int]] = field(default_factory=list)
    processing_ms: list[float] = field(default_factory=list)
    node: dict[str, int] = field(default_factory=dict)

    def answer(self, stamp_ns: int, arrived_ns: int) -> None:
        """An answer arrived."""
        self.answers.append((stamp_ns, arrived_ns))
        self.processing_ms.append(float("nan"))

    def timing(self, milliseconds: float) -> None:
        """The node said how long its last answer took; it comes behind that answer."""
        if self.processing_ms and np.isnan(self.processing_ms[-1]):
            self.processing_ms[-1] = milliseconds


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """p50, p95, p99 and max of the finite ones, None where there are none."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return None
    names = ("p50", "p95", "p99", "max")
    numbers = np.percentile(finite, PERCENTILES)
    return {name: round(float(n), 2) for name, n in zip(names, numbers, strict=True)}


def camera_figures(log: CameraLog, period_s: float, minutes: float) -> dict[str, Any]:
    """The figures of one camera.

    ``behind_ms`` is how much older an answered frame is than the newest that the camera had
    published when the network began with it; ``waited_ms`` is the latency less the time of the
    frame itself: what it waited, and was under way.
    """
    stamps = np.array([stamp for stamp, _ in log.answers], np.int64)
    arrived = np.array([at for _, at in log.answers], np.int64)
    processing_ms = np.array(log.processing_ms, np.float64)
    latency_ms = (arrived - stamps) * 1e-6
    waited_ms = latency_ms - processing_ms
    behind_ms = []
    for stamp, at, spent in zip(stamps, arrived, processing_ms, strict=True):
        if np.isfinite(spent):
            newest = bisect_right(log.offered, int(at - spent * 1e6)) - 1
            behind_ms.append(max(0, log.offered[newest] - int(stamp)) * 1e-6 if newest >= 0 else 0)
    dropped = {k.removeprefix("dropped."): n for k, n in log.node.items() if k.startswith("drop")}
    received, answered = log.node.get("received", 0), log.node.get("answered", 0)
    period_ms = period_s * 1e3
    return {
        "offered": len(log.offered),
        "received_by_node": received,
        "not_received": len(log.offered) - received,
        "answered": answered,
        "answers_arrived": len(stamps),
        "answered_hz": round(len(stamps) / (60 * minutes), 2) if minutes else 0.0,
        "dropped": dropped,
        "uncounted": received - answered - sum(dropped.values()),
        "in_order": bool((np.diff(stamps) > 0).all()),
        "latency_ms": percentiles(latency_ms),
        "processing_ms": percentiles(processing_ms),
        "waited_ms": percentiles(waited_ms),
        "behind_ms": percentiles(behind_ms),
        "behind_at_most_a_period": _share(np.array(behind_ms) <= 1.5 * period_ms),
        "waited_at_most_a_period": _share(waited_ms[np.isfinite(waited_ms)] <= 1.5 * period_ms),
    }


def memory_figures(samples: Sequence[tuple[float, float]]) -> dict[str, float] | None:
    """First, last and largest of (seconds, MB), and the slope in MB an hour after the warm-up."""
    if len(samples) < 3:
        return None
    at_s, mb = np.array(samples, np.float64).T
    late = at_s >= at_s[0] + WARM_UP * (at_s[-1] - at_s[0])
    slope = np.polyfit(at_s[late], mb[late], 1)[0] if late.sum() > 2 else 0.0
    return {
        "first_mb": round(float(mb[0]), 1),
        "last_mb": round(float(mb[-1]), 1),
        "max_mb": round(float(mb.max()), 1),
        "slope_mb_per_hour": round(float(slope) * 3600, 2),
    }


def verdicts(
    cameras: Mapping[str, Mapping[str, Any]], memory: Mapping[str, float] | None, minutes: float
) -> dict[str, str]:
    """Each promise with ``kept``, ``BROKEN: why`` or ``too short to say``."""

    def judge(broken: Sequence[str]) -> str:
        return f"BROKEN: {'; '.join(broken)}" if broken else "kept"

    def below(key: str, share: float) -> list[str]:
        return [f"{name} {c[key]}" for name, c in cameras.items() if not (c[key] or 0) >= share]

    memory_verdict = "too short to say"
    if memory is not None and minutes >= MIN_MINUTES_FOR_MEMORY:
        slope = memory["slope_mb_per_hour"]
        memory_verdict = judge(
            [f"{slope:+.1f} MB an hour"] if slope > MAX_GROWTH_MB_PER_HOUR else []
        )
    return {
        "every camera is answered": judge([n for n, c in cameras.items() if not c["answered"]]),
        "answers are in order, none twice": judge(
            [n for n, c in cameras.items() if not c["in_order"]]
        ),
        "always the newest frame (99 % within 1.5 periods)": judge(
            below("behind_at_most_a_period", 0.99)
        ),
        "latency: the frame's own time and a period (99 % within 1.5)": judge(
            below("waited_at_most_a_period", 0.99)
        ),
        "every loss counted: received = answered + dropped": judge(
            [f"{n} {c['uncounted']}" for n, c in cameras.items()
             if not 0 <= c["uncounted"] <= UNDER_WAY]
        ),
        "memory flat": memory_verdict,
    }  # fmt: skip


def _share(kept: np.ndarray[Any, Any]) -> float | None:
    return round(float(kept.mean()), 4) if kept.size else None
