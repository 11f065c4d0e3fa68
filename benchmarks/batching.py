# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras at once: one batch against one after the other.

``python benchmarks/batching.py --engine eager:fp32 openvino:bf16
--json benchmarks/results/batching.json``

Frames between keyframes, network only; both ways take turns. ``speedup`` is the time of so many
single frames over that of the batch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from report import write_report
from torch import Tensor

from mila_ros.engines import build_engine
from mila_ros.engines.base import Engine
from mila_ros.streaming import load_bundle


def stepper(engine: Engine, images: Tensor, precision: str):
    """Runs a frame between keyframes, in the state that a young stream reaches after a few."""
    state = None
    for keyframe in (True, False, False):
        _, state = engine(images, state, keyframe=keyframe, tasks=None, precision=precision)

    def step() -> float:
        begin = time.perf_counter()
        engine(images, state, keyframe=False, tasks=None, precision=precision)
        return 1e3 * (time.perf_counter() - begin)

    return step


@torch.inference_mode()
def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--engine", nargs="+", default=["eager:fp32"], metavar="NAME:PRECISION")
    parser.add_argument("--batch", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    bundle, network = load_bundle(arguments.model)
    network = network.eval().to(memory_format=torch.channels_last)
    rows = []
    for text in arguments.engine:
        name, _, precision = text.partition(":")
        engine = build_engine(name, network, torch.device("cpu"))
        torch.manual_seed(0)
        image = torch.randn(1, 3, *bundle.input_size)
        single = stepper(engine, image, precision)
        for batch in arguments.batch:
            together = stepper(engine, image.expand(batch, -1, -1, -1).contiguous(), precision)
            pairs = [
                (sum(single() for _ in range(batch)), together())
                for _ in range(arguments.rounds + 1)
            ][1:]
            rows.append({
                "engine": name,
                "precision": precision,
                "batch": batch,
                "single_ms": round(statistics.median(one for one, _ in pairs), 3),
                "batch_ms": round(statistics.median(all_ for _, all_ in pairs), 3),
                "speedup": round(statistics.median(one / all_ for one, all_ in pairs), 4),
            })  # fmt: skip
            print(rows[-1], flush=True)
    figures = {
        "model": arguments.model,
        "threads": torch.get_num_threads(),
        "rounds": arguments.rounds,
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
