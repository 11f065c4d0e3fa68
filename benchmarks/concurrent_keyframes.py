# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How even the time of a frame is with blocking and with concurrent keyframes, in turn.

First each side answers frames as fast as it can: its peak rate. Then frames are offered at a share
of that, and timed twice: ``frame`` is the time that a frame itself takes, ``latency`` counts from
the moment when it was due, so that what waits behind a keyframe shows. The sides take turns round
by round; a figure is the median of the rounds.

``python benchmarks/concurrent_keyframes.py --json benchmarks/results/concurrent_keyframes.json``
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import write_report

from mila_ros.benchmark.measure import percentiles
from mila_ros.streaming import EveryN, Perception

MODES = ("blocking", "concurrent")
IMAGES = 8
WARM_UP = 20  # frames of each round that are not counted


class Side:
    """A model in one of the modes.

    Args:
        mode: One of ``MODES``.
        arguments: Of the command line.
    """

    def __init__(self, mode: str, arguments: argparse.Namespace) -> None:
        self.mode = mode
        self.perception = Perception.load(
            arguments.model,
            device=arguments.device,
            keyframes=EveryN(arguments.keyframe_every, 1e9),
            threads=arguments.threads,
            precision=arguments.precision,
            engine=arguments.engine,
            keyframe_mode=mode,
            keyframe_threads=arguments.keyframe_threads,
            max_gap_s=1e9,
        )
        height, width = self.perception.bundle.input_size
        self.perception.warm_up(height, width)
        rng = np.random.default_rng(0)
        self._images = rng.integers(0, 256, (IMAGES, height, width, 3), dtype=np.uint8)
        self._number = 0
        self.peaks: list[float] = []
        self.rounds: list[dict[str, Any]] = []

    def step(self) -> tuple[float, int]:
        """The milliseconds of a frame, and its keyframe's age."""
        self._number += 1
        image = self._images[self._number % IMAGES]
        frame = self.perception.step(image, stamp_ns=self._number * 1_000_000)
        return frame.timings_ms["total"], frame.keyframe_age

    def run_flat_out(self, frames: int) -> None:
        """Note the rate at which frames are answered with none to wait for."""
        begin = time.perf_counter()
        for _ in range(frames):
            self.step()
        self.peaks.append(frames / (time.perf_counter() - begin))

    def run_at(self, rate: float, frames: int) -> None:
        """Offer frames at a rate, and note their times."""
        times, latencies, ages = [], [], []
        begin = time.perf_counter()
        for number in range(WARM_UP + frames):
            due = begin + number / rate
            time.sleep(max(due - time.perf_counter(), 0))
            milliseconds, age = self.step()
            if number >= WARM_UP:
                times.append(milliseconds)
                latencies.append((time.perf_counter() - due) * 1e3)
                ages.append(age)
        self.rounds.append(
            {
                "frame_ms": percentiles(times),
                "latency_ms": percentiles(latencies),
                "keyframe_age": {"mean": statistics.fmean(ages), "max": max(ages)},
            }
        )

    def row(self, rate: float) -> dict[str, Any]:
        """Medians over the rounds."""
        ratios = [r["frame_ms"]["p99"] / r["frame_ms"]["p50"] for r in self.rounds]
        lags = [r["latency_ms"]["p99"] / r["latency_ms"]["p50"] for r in self.rounds]
        return {
            "mode": self.mode,
            "peak_hz": round(statistics.median(self.peaks), 2),
            "rate_hz": round(rate, 2),
            **{
                kind: {
                    name: round(statistics.median(r[kind][name] for r in self.rounds), 2)
                    for name in ("p50", "p95", "p99")
                }
                for kind in ("frame_ms", "latency_ms")
            },
            "frame_p99_over_p50": round(statistics.median(ratios), 3),
            "latency_p99_over_p50": round(statistics.median(lags), 3),
            "keyframe_age": {
                name: round(statistics.median(r["keyframe_age"][name] for r in self.rounds), 2)
                for name in ("mean", "max")
            },
        }


def measure(sides: Sequence[Side], share: float, rounds: int, frames: int) -> list[dict[str, Any]]:
    """A row for each side at the share of its own peak rate."""
    for _ in range(3):
        for side in sides:
            side.run_flat_out(frames // 2)
    rates = [share * statistics.median(side.peaks) for side in sides]
    for _ in range(rounds):
        for side, rate in zip(sides, rates, strict=True):
            side.run_at(rate, frames)
    return [side.row(rate) for side, rate in zip(sides, rates, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", default="mila_street")
    add("--device", default="auto")
    add("--engine", default="auto")
    add("--precision", default="auto")
    add("--threads", type=int, default=0)
    add("--keyframe-threads", type=int, default=0)
    add("--keyframe-every", type=int, default=5)
    add("--share", type=float, default=0.8, help="of the peak rate")
    add("--rounds", type=int, default=10)
    add("--frames", type=int, default=200, help="of a round")
    add("--json", type=Path)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    sides = [Side(mode, arguments) for mode in MODES]
    rows = measure(sides, arguments.share, arguments.rounds, arguments.frames)
    for row in rows:
        print(row)
    perception = sides[0].perception
    figures = {
        "load_average": {"before": round(load, 2), "after": round(os.getloadavg()[0], 2)},
        "model": perception.bundle.name,
        "device": str(perception.device),
        "engine": perception.engine.name,
        "precision": perception.precision,
        "threads": torch.get_num_threads(),
        "keyframe_threads": arguments.keyframe_threads or max(torch.get_num_threads() // 2, 1),
        "keyframe_every": arguments.keyframe_every,
        "share_of_peak": arguments.share,
        "rounds": arguments.rounds,
        "frames": arguments.frames,
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
