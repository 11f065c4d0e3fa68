# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One task of three: whether it costs what a network costs that has only that task.

``python benchmarks/skipping.py --engine openvino:bf16 --json benchmarks/results/skipping.json``

Three sides take turns: all three tasks, one of the three (the others skipped), and the same network
built for that one task alone. ``over_own`` is the second's time over the third's, ``of_all`` over
the first's.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from report import write_report

from mila_ros.benchmark.measure import Runner, compare
from mila_ros.benchmark.sides import Side
from mila_ros.streaming import Bundle

NETWORK = "mila:slow=resnet101,fast=resnet18"


@dataclass(frozen=True)
class Skipping(Side):
    """A side whose network has all the tasks, of which only some are asked for."""

    def description(self) -> Bundle:
        return Side.description(replace(self, tasks=None))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", default=NETWORK)
    parser.add_argument("--tasks", nargs="+", default=["segmentation", "depth", "motion"])
    parser.add_argument("--engine", default="openvino:bf16", metavar="NAME[:PRECISION]")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    engine, _, precision = arguments.engine.partition(":")
    every = Side("", arguments.network, engine, precision or "fp32", "cpu", None, None, None, 1)
    rows = []
    for task in arguments.tasks:
        kinds = {
            "all": every,
            "one_of_three": Skipping(**(vars(every) | {"tasks": (task,)})),
            "own": replace(every, tasks=(task,)),
        }
        runners = {kind: Runner(side, arguments.threads) for kind, side in kinds.items()}
        measured = compare(list(runners.values()), arguments.rounds, 5, lambda: None)
        rounds = list(zip(*(runner.round_s for runner in runners.values()), strict=True))
        rows.append({
            "task": task,
            "over_own": round(statistics.median(b / c for _, b, c in rounds), 4),
            "of_all": round(statistics.median(b / a for a, b, _ in rounds), 4),
            "sides": dict(zip(runners, measured, strict=True)),
        })  # fmt: skip
        print({key: rows[-1][key] for key in ("task", "over_own", "of_all")}, flush=True)
    figures = {
        "network": arguments.network,
        "rounds": arguments.rounds,
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
