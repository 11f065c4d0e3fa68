# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each paper's evaluation as data: what is read at which size, how it is averaged, what was found.

A figure of another protocol cannot be compared with a paper's table: `Protocol` says all that has
to be the same. `comparison_table` sets measured figures beside the printed ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from mila_ros.errors import MilaError
from mila_ros.evaluation.papers import astmt, mila, mti_net, multinet
from mila_ros.evaluation.papers.protocol import Metric, Protocol

PROTOCOLS: Mapping[str, Protocol] = {
    named.name: named for paper in (mila, multinet, mti_net, astmt) for named in paper.PROTOCOLS
}
"""The protocols by name."""


def protocol(name: str) -> Protocol:
    """A paper's protocol by its name.

    Raises:
        MilaError: There is none of this name; the sentence lists those that there are.
    """
    if name not in PROTOCOLS:
        raise MilaError(f"there is no protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def comparison_table(
    named: Protocol, measured: Mapping[str, float], model: str = "this model"
) -> str:
    """Measured figures under those of the paper, as a Markdown table.

    Args:
        named: The protocol that they were measured by.
        measured: By `Metric.key`, in evaluation's units (shares, metres, degrees); a figure that
            was not measured may be missing or NaN.
        model: What to call the row.

    Returns:
        The table in the paper's units, its rows first, ≈ before what is not averaged as there;
        the distance to its last row; and the protocol's conditions.
    """
    headings = [
        f"{metric.heading} {'↑' if metric.higher_is_better else '↓'}" for metric in named.metrics
    ]
    body = [
        [
            row.model,
            *(_cell(metric, row.figures.get(metric.key)) for metric in named.metrics),
            row.source,
        ]
        for row in named.rows
    ]
    ours = {key: named.metric(key).scale * value for key, value in _known(named, measured).items()}
    cells = []
    for metric in named.metrics:
        cell = _cell(metric, ours.get(metric.key))
        cells.append(f"≈{cell}" if metric.key in ours and not metric.exact else cell)
    body.append([model, *cells, "here"])
    reference = named.rows[-1]
    differences = {
        key: ours[key] - figure for key, figure in reference.figures.items() if key in ours
    }
    if differences:
        signed = (_cell(metric, differences.get(metric.key), "+") for metric in named.metrics)
        body.append([f"{model} − {reference.model}", *signed, ""])
    return "\n".join([*_aligned(["model", *headings, "from"], body), "", *conditions(named)])


def conditions(named: Protocol) -> list[str]:
    """The protocol in words, a line each."""
    height, width = named.size
    lines = [
        f"{named.name}: {named.paper}",
        f"{named.dataset} {named.split}"
        + (f" ({named.frames} frames)" if named.frames else "")
        + f", resized to {height}x{width}"
        + (f", {named.classes}" if named.classes else "")
        + "".join(f", {key}={value}" for key, value in named.options.items()),
    ]
    if named.keyframe_interval > 1:
        offsets = ", ".join(str(offset) for offset in named.offsets)
        lines.append(
            f"keyframe interval {named.keyframe_interval}; the mean over keyframe offsets {offsets}"
        )
    lines += [f"{metric.heading}: {metric.key}, {metric.convention}" for metric in named.metrics]
    return lines + [f"note: {note}" for note in named.notes]


def _known(named: Protocol, measured: Mapping[str, float]) -> dict[str, float]:
    wanted = {metric.key for metric in named.metrics}
    return {key: value for key, value in measured.items() if key in wanted and math.isfinite(value)}


def _cell(metric: Metric, figure: float | None, sign: str = "") -> str:
    return "–" if figure is None else f"{figure:{sign}.{metric.decimals}f}"


def _aligned(head: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in [head, *body]) for n in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [
            cell.ljust(width) if n in (0, len(row) - 1) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = [
        ("-" * width if n in (0, len(head) - 1) else "-" * (width - 1) + ":")
        for n, width in enumerate(widths)
    ]
    return [line(head), f"| {' | '.join(rule)} |", *(line(row) for row in body)]
