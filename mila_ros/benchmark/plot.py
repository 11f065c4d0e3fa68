# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A picture of a benchmark. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

KINDS = {"key": "keyframe", "between": "frame between", "all": "mean of all frames"}


def draw(rows: Sequence[dict[str, Any]], names: Sequence[str], path: Path) -> None:
    """Bars of each side's median times, by kind of frame; the black line ends at p99."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.8 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for number, (kind, label) in enumerate(KINDS.items()):
        statistic = "mean" if kind == "all" else "p50"
        shown = [(place, row["ms"][kind]) for place, row in enumerate(rows) if kind in row["ms"]]
        if not shown:
            continue
        places = [place + 0.27 * (number - 1) for place, _ in shown]
        middles = [times[statistic] for _, times in shown]
        axes.barh(places, middles, height=0.25, label=label)
        if kind != "all":
            axes.hlines(places, middles, [times["p99"] for _, times in shown], color="black", lw=1)
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlabel("ms")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
