# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model at full rate for half an hour: whether memory grows, whether latency drifts.

``python benchmarks/long_run.py --model mila_street --minutes 30
--json benchmarks/results/long_run.json``

Frames go from serialised message to serialised messages, see ``message_path.py``. The first
``--warm-up`` minutes count for nothing. Ends with status 1 when memory grows by 1 MB in ten
minutes or more, or the last fifth's median latency is over 1.05 times the first fifth's.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from message_path import MessagePath
from report import write_report

from mila_ros.arguments import positive, size
from mila_ros.streaming import Perception

MOST_MIB_IN_TEN_MINUTES = 1.0
MOST_DRIFT = 1.05
MEMORY = {"resident_mib": "VmRSS", "own_mib": "RssAnon", "of_files_mib": "RssFile"}


def memory_mib() -> dict[str, float]:
    """Of this process now: all, its own, and pages of files, which the system takes and gives."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = {kind: int(re.findall(rf"{kind}:\s*(\d+) kB", status)[0]) for kind in MEMORY.values()}
    return {name: kib[kind] / 2**10 for name, kind in MEMORY.items()}


def slope(minutes: list[float], values: list[float]) -> float:
    """Of the straight line with the least squares, in units per ten minutes."""
    return float(10 * np.polyfit(minutes, values, 1)[0]) if len(values) > 1 else 0.0


def main() -> int:
    """Measure, print and write; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", type=size, default=(1280, 720), metavar="WxH", help="(1280x720)")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--minutes", type=positive, default=30.0, help="after the warm-up (30)")
    parser.add_argument("--warm-up", type=positive, default=2.0, metavar="MINUTES", help="(2)")
    parser.add_argument("--every", type=positive, default=10.0, metavar="SECONDS",
                        help="of a sample (10)")  # fmt: skip
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    perception = Perception.load(
        arguments.model,
        engine=arguments.engine,
        precision=arguments.precision,
        threads=arguments.threads,
    )
    perception.warm_up(*perception.bundle.input_size)
    path = MessagePath(perception, *arguments.size)
    end_warm_up = time.monotonic() + 60 * arguments.warm_up
    while time.monotonic() < end_warm_up:
        path.frame()
    begin = time.monotonic()
    samples: list[dict[str, float]] = []
    while (now := time.monotonic()) < begin + 60 * arguments.minutes:
        latencies = []
        while time.monotonic() < now + arguments.every:
            latencies.append(path.frame()["total"])
        sample = {
            "minutes": (time.monotonic() - begin) / 60,
            **memory_mib(),
            "frames": len(latencies),
            "p50_ms": statistics.median(latencies),
            "p99_ms": float(np.percentile(latencies, 99)),
        }
        samples.append({key: round(value, 4) for key, value in sample.items()})
    fifth = max(1, len(samples) // 5)
    first, last = (
        statistics.median(s["p50_ms"] for s in part) for part in (samples[:fifth], samples[-fifth:])
    )
    minutes = [s["minutes"] for s in samples]
    grown = {name: slope(minutes, [s[name] for s in samples]) for name in MEMORY}
    figures = {
        "model": arguments.model,
        "engine": perception.engine.name,
        "precision": perception.precision,
        "image_size": list(arguments.size),
        "frames": sum(s["frames"] for s in samples),
        "minutes": round(minutes[-1], 2),
        "warm_up_minutes": arguments.warm_up,
        **{f"{name}_per_10_minutes": round(value, 3) for name, value in grown.items()},
        "latency_last_over_first_fifth": round(last / first, 4),
        "samples": samples,
    }
    print(json.dumps({k: v for k, v in figures.items() if k != "samples"}, indent=1))
    write_report(arguments.json, figures)
    return int(grown["resident_mib"] >= MOST_MIB_IN_TEN_MINUTES or last / first > MOST_DRIFT)


if __name__ == "__main__":
    sys.exit(main())
