# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy against time: every model and engine of the benchmarks given. Needs matplotlib.

``mila benchmark --model A B --engine eager:fp32 openvino:bf16 --json times.json``, then
``python benchmarks/plot.py times.json --out accuracy_against_time.png``

A point is a row: its mean milliseconds per frame, and the accuracy that the model's card states for
its keyframe interval. Rows without that, networks with random weights among them, are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

METRIC = "segmentation/miou"
MARKERS = "os^Dv<>Ph*"


def points(documents: Sequence[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """What is drawn, ordered by model and time: ``model``, ``engine``, ``ms``, ``accuracy``."""
    found = [
        {
            "model": row["model"]
            + (f", K={row['keyframe_every']}" if row["keyframe_every"] > 1 else ""),
            "engine": f"{row['engine']} {row['precision']}",
            "ms": row["ms"]["all"]["mean"],
            "accuracy": row["accuracy"][metric],
        }
        for document in documents
        for row in document["rows"]
        if metric in row.get("accuracy", {})
    ]
    return sorted(found, key=lambda point: (point["model"], point["ms"]))


def draw(shown: Sequence[dict[str, Any]], metric: str, path: Path) -> None:
    """A colour per model, its name at its fastest point, a marker per engine; time logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    engines = list(dict.fromkeys(point["engine"] for point in shown))
    for number, model in enumerate(dict.fromkeys(point["model"] for point in shown)):
        own = [point for point in shown if point["model"] == model]
        colour = f"C{number % 10}"
        axes.plot([p["ms"] for p in own], [p["accuracy"] for p in own], color=colour, lw=1)
        for point in own:
            marker = MARKERS[engines.index(point["engine"]) % len(MARKERS)]
            axes.plot(point["ms"], point["accuracy"], marker, color=colour)
        axes.annotate(
            model,
            (own[0]["ms"], own[0]["accuracy"]),
            xytext=(3, 5),
            textcoords="offset points",
            color=colour,
            fontsize="small",
        )
    for number, engine in enumerate(engines):
        axes.plot([], [], MARKERS[number % len(MARKERS)], color="grey", label=engine)
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis("{x:g}")
    axes.set_xlabel("mean ms per frame")
    axes.set_ylabel(metric)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> int:
    """Draw what the command line names; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="JSON of mila benchmark")
    parser.add_argument("--metric", default=METRIC, help=f"as the cards name it ({METRIC})")
    parser.add_argument("--out", type=Path, required=True, help="a PNG")
    arguments = parser.parse_args()
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in arguments.results]
    shown = points(documents, arguments.metric)
    if not shown:
        print(f"no row has an accuracy {arguments.metric}; name another with --metric",
              file=sys.stderr)  # fmt: skip
        return 1
    draw(shown, arguments.metric, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
