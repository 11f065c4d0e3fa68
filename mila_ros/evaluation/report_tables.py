# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of an evaluation's report, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .protocols import protocol


def protocol_table(compared: Mapping[str, Any]) -> list[str]:
    """The paper's rows and the one measured, in the paper's units, and the conditions.

    Args:
        compared: Of `protocol_runs.compared`.
    """
    named = protocol(compared["name"])
    metrics = {metric.key: metric for metric in named.metrics}
    head = "".join(
        f"<th>{escape(m.heading)} {'↑' if m.higher_is_better else '↓'}</th>" for m in named.metrics
    )
    lines = [f"<tr><th></th>{head}<th>from</th></tr>"]
    for row in compared["rows"]:
        cells = "".join(
            f"<td>{row['figures'][key]:.{metric.decimals}f}</td>"
            if key in row["figures"]
            else "<td>–</td>"
            for key, metric in metrics.items()
        )
        lines.append(
            f"<tr><td>{escape(row['model'])}</td>{cells}<td>{escape(row['from'])}</td></tr>"
        )
    cells = ""
    for key, entry in compared["measured"].items():
        about = "" if entry["averaged_as_in_the_paper"] else "≈"
        value = entry["value"]
        shown = "–" if value is None else f"{about}{value:.{metrics[key].decimals}f}"
        cells += f'<td data-key="{escape(f"protocol/{key}")}">{shown}</td>'
    lines.append(f"<tr><td>this model</td>{cells}<td>here</td></tr>")
    about, *conditions = (escape(line) for line in compared["conditions"])
    return [
        f"<h2>{about}</h2>",
        '<div class="scroll"><table>' + "".join(lines) + "</table></div>",
        "<ul>" + "".join(f"<li>{line}</li>" for line in conditions) + "</ul>",
    ]


def tables(results: Mapping[str, Any]) -> list[str]:
    """Every metric, by interval; by age; by class; by source."""
    first = next(iter(results.values()))
    metrics = [key for key, value in first["all"].items() if value is not None]
    parts = ["<h2>All frames</h2>", _table({k: r["all"] for k, r in results.items()}, metrics)]
    for name, result in results.items():
        if len(result["by_keyframe_age"]) > 1:
            parts.append(f"<h2>By age of the keyframe, {_interval(name)}</h2>")
            parts.append(
                _table(
                    {
                        f"{name}/by_keyframe_age/{a}": f
                        for a, f in result["by_keyframe_age"].items()
                    },
                    metrics,
                )
            )
    for kind in [key for key in first if key.startswith("by_class")]:
        if any(value is not None for value in first[kind].values()):
            suffix = kind.removeprefix("by_class").lstrip("_")
            parts.append(f"<h2>IoU by class{', ' + suffix if suffix else ''}</h2>")
            rows = {f"{name}/{kind}": result[kind] for name, result in results.items()}
            parts.append(_table(rows, list(first[kind])))
    if len(first["by_source"]) > 1:
        parts.append(f"<h2>By clip or bag, {_interval(next(iter(results)))}</h2>")
        parts.append(_table(first["by_source"], metrics))
    return parts


def _table(rows: Mapping[str, Mapping[str, float | None]], columns: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = [f"<tr><th></th>{head}</tr>"]
    for name, figures in rows.items():
        cells = "".join(
            f'<td data-key="{escape(f"{name}/{key}")}">{_figure(figures[key], key)}</td>'
            for key in columns
        )
        lines.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return '<div class="scroll"><table>' + "".join(lines) + "</table></div>"


def _figure(value: float | None, column: str) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if column == "frames" else f"{value:.4f}"


def _interval(name: str) -> str:
    return f"K = {name.rpartition('_')[2]}"
