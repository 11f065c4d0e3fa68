# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""New memory that frames take while a video runs: pages that the system hands over.

``OMP_WAIT_POLICY=PASSIVE python benchmarks/new_memory.py --engine eager:bf16 openvino:bf16
--json benchmarks/results/new_memory.json``

Memory that is given back and taken again from the allocator costs next to nothing; memory that
the system hands over costs a page fault for each page. Each run is a process of its own, as glibc
is left alone, or told to keep what was freed (:mod:`mila_ros.memory`), in turns: whether it keeps
it when left alone is chance. From an image to maps, which are dropped then.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from report import write_report

from mila_ros.memory import keep_freed_memory

FIRST = 20
"""Frames with which a video begins, and which are not counted."""


def play(
    model: str, engine: str, precision: str, size: tuple[int, int], frames: int, keep: bool
) -> dict[str, float]:
    """Page faults and milliseconds of the frames of a video of ``size`` (width, height)."""
    if keep:
        keep_freed_memory()
    # Only now: what torch takes as it loads is of the same allocator.
    from mila_ros.streaming import EveryN, Perception

    perception = Perception.load(
        model, device="cpu", engine=engine, precision=precision, keyframes=EveryN(5)
    )
    images = np.random.default_rng(0).integers(0, 256, (4, size[1], size[0], 3), np.uint8)
    faults, took_ms = [], []
    for number in range(FIRST + frames):
        before, begin_s = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
        perception.step(images[number % 4], stamp_ns=(number + 1) * 66_000_000, confidence=False)
        took_ms.append(1e3 * (time.perf_counter() - begin_s))
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return {
        "page_faults_per_frame": round(statistics.mean(faults[FIRST:]), 1),
        "median_ms": round(statistics.median(took_ms[FIRST:]), 2),
        "mean_ms": round(statistics.mean(took_ms[FIRST:]), 2),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--engine", nargs="+", default=["eager:bf16"], metavar="NAME:PRECISION")
    parser.add_argument("--size", type=int, nargs=2, default=[1280, 720])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")
    for text in arguments.engine:
        engine, _, precision = text.partition(":")
        runs: dict[bool, list[dict[str, float]]] = {False: [], True: []}
        for keep in (False, True) * arguments.rounds:
            with spawn.Pool(1) as process:
                runs[keep].append(
                    process.apply(
                        play,
                        (
                            arguments.model,
                            engine,
                            precision or "fp32",
                            tuple(arguments.size),
                            arguments.frames,
                            keep,
                        ),
                    )
                )
        rows.append({
            "engine": engine,
            "precision": precision or "fp32",
            "left_alone": runs[False],
            "kept": runs[True],
        })  # fmt: skip
        print(rows[-1], flush=True)
    figures = {
        "model": arguments.model,
        "image_size": arguments.size,
        "frames": arguments.frames,
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
