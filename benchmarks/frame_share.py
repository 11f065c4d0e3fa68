# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What of a frame's time is not the network, from message in to messages out, by stage.

``python benchmarks/frame_share.py --model mila_street --network mila:slow=resnet101,fast=resnet18
--engine eager openvino --precision bf16 --json benchmarks/results/frame_share.json``

Messages are deserialised and serialised, not sent: see ``message_path.py``. Engines take turns.
Memory that was given back is kept, as in the node.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path

from message_path import STAGES, MessagePath
from report import write_report

from mila_ros.arguments import count, size
from mila_ros.benchmark.sides import Side
from mila_ros.memory import keep_freed_memory


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--network", metavar="NAME[:KEY=VALUE,...]",
                        help="with random weights, beside the model")  # fmt: skip
    parser.add_argument("--engine", nargs="+", default=["eager"])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", type=size, default=(1280, 720), metavar="WxH", help="(1280x720)")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=count, default=20, help="of two keyframe intervals (20)")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    keep_freed_memory()
    paths, descriptions = {}, {}
    what = [(arguments.model, "")] + [("", arguments.network)] * bool(arguments.network)
    for (model, network), engine in itertools.product(what, arguments.engine):
        side = Side(model, network, engine, arguments.precision, "auto", None, None, None, 1)
        perception = side.load(side.description(), arguments.threads)
        perception.warm_up(*perception.bundle.input_size)
        key = model or network, engine
        paths[key] = MessagePath(perception, *arguments.size)
        descriptions[key] = {
            "what": key[0],
            "engine": perception.engine.name,
            "precision": perception.precision,
            "keyframe_every": perception.bundle.keyframe_every,
            "network_size": list(perception.bundle.input_size[::-1]),
        }
    frames: dict[tuple[str, str], list[dict]] = {key: [] for key in paths}
    for turn in range(arguments.rounds + 1):
        for key, path in paths.items():
            every = descriptions[key]["keyframe_every"]
            new = [path.frame() for _ in range(2 * every)]
            frames[key] += new if turn else []  # the first turn warms up
    rows = []
    for key, measured in frames.items():
        mean = {s: statistics.fmean(f[s] for f in measured) for s in (*STAGES, "total")}
        median = {s: statistics.median(f[s] for f in measured) for s in (*STAGES, "total")}
        others = [1 - f["network"] / f["total"] for f in measured]
        rows.append({
            **descriptions[key],
            "frames": len(measured),
            "share_not_network": round(1 - mean["network"] / mean["total"], 4),
            "share_not_network_median_frame": round(statistics.median(others), 4),
            "mean_ms": {s: round(v, 3) for s, v in mean.items()},
            "median_ms": {s: round(v, 3) for s, v in median.items()},
        })  # fmt: skip
        print(json.dumps(rows[-1], indent=1))
    figures = {
        "image_size": list(arguments.size),
        "threads": arguments.threads,
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
