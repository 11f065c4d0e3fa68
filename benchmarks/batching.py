# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras at once: ``max_batch_size`` of as many against one after the other.

``python benchmarks/batching.py --engine eager:fp32 openvino:bf16
--json benchmarks/results/batching.json``

Frames between keyframes, from images of the network's size to maps; both ways take turns.
``first`` is when the first camera has its maps, ``all`` when the last has, since the frames came;
``speedup`` is of the latter.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from report import write_report

from mila_ros.streaming import FailedFrame, FrameRequest, OnRequest, Perception

Times = tuple[float, float]


def player(perception: Perception, cameras: int) -> Callable[[], Times]:
    """Plays a frame of every camera, and says when the first and the last of them was there."""
    height, width = perception.bundle.input_size
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(cameras)]
    stamp_ns = 0

    def play() -> Times:
        nonlocal stamp_ns
        stamp_ns += 1_000_000
        requests = [
            FrameRequest(image, stamp_ns, f"camera {number}", confidence=False)
            for number, image in enumerate(images)
        ]
        begin_s, ends_s = time.perf_counter(), []
        for outcome in perception.step_batch(requests):
            if isinstance(outcome, FailedFrame):
                raise outcome.error
            ends_s.append(time.perf_counter())
        return 1e3 * (ends_s[0] - begin_s), 1e3 * (ends_s[-1] - begin_s)

    for _ in range(4):  # a keyframe, and the streams' first frames between
        play()
    return play


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--engine", nargs="+", default=["eager:fp32"], metavar="NAME:PRECISION")
    parser.add_argument("--cameras", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for text in arguments.engine:
        engine, _, precision = text.partition(":")
        for cameras in arguments.cameras:
            singly, together = (
                player(
                    Perception.load(
                        arguments.model,
                        device=arguments.device,
                        engine=engine,
                        precision=precision or "fp32",
                        threads=arguments.threads,
                        keyframes=OnRequest(max_age_s=1e6),
                        max_batch_size=size,
                    ),
                    cameras,
                )
                for size in (1, cameras)
            )
            pairs = [(singly(), together()) for _ in range(arguments.rounds + 1)][1:]
            rows.append({
                "engine": engine,
                "precision": precision or "fp32",
                "cameras": cameras,
                "single_first_ms": median(one[0] for one, _ in pairs),
                "single_all_ms": median(one[1] for one, _ in pairs),
                "batch_first_ms": median(many[0] for _, many in pairs),
                "batch_all_ms": median(many[1] for _, many in pairs),
                "speedup": median(one[1] / many[1] for one, many in pairs),
            })  # fmt: skip
            print(rows[-1], flush=True)
    figures = {
        "model": arguments.model,
        "device": arguments.device,
        "threads": torch.get_num_threads(),
        "rounds": arguments.rounds,
        "rows": rows,
    }
    write_report(arguments.json, figures)


def median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


if __name__ == "__main__":
    main()
