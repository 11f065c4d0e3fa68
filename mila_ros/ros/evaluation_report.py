# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a live evaluation adds to the page of `mila_ros.evaluation`: times, drops and keyframes."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_LATENCIES = {
    "image_to_answer_published": "image published to last answer published",
    "image_to_answer_received": "image published to last answer received here",
    "stamp_to_answer_received": "stamp to last answer received here, on the ROS clock",
}


def live_parts(live: Mapping[str, Any]) -> list[str]:
    """The tables as HTML, of what `evaluator_node` puts under ``live``."""
    frames, keyframes = live["frames"], live["keyframes"]
    counts = {"images": frames["images"], "answered": frames["answered"]}
    counts |= {f"not answered: {cause}": count for cause, count in frames["dropped"].items()}
    counts |= {f"not scored: {reason}": count for reason, count in live["not_scored"].items()}
    latencies = {_LATENCIES[name]: value for name, value in live["latency_ms"].items() if value}
    ages = {f"age {age}": count for age, count in keyframes["answers_by_age"].items()}
    parts = ["<h2>Frames</h2>", _table({name: {"": value} for name, value in counts.items()})]
    if latencies:
        parts += ["<h2>Latency in milliseconds</h2>", _table(latencies)]
    parts += [
        "<h2>Keyframes</h2>",
        _table({name: {"": n} for name, n in {"keyframes": keyframes["count"], **ages}.items()}),
    ]
    if keyframes["interval_s"]:
        parts += [_table({"seconds from keyframe to keyframe": keyframes["interval_s"]})]
    for status, values in live["node"].items():
        parts += [
            f"<h2>/diagnostics, {escape(status)}</h2>",
            _table({name: {"": value} for name, value in values.items()}),
        ]
    return parts


def _table(rows: Mapping[str, Mapping[str, object]]) -> str:
    columns = list(next(iter(rows.values()), {}))
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = [f"<tr><th></th>{head}</tr>"] if any(columns) else []
    for name, values in rows.items():
        cells = "".join(f"<td>{escape(str(values[column]))}</td>" for column in columns)
        lines.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return "<table>" + "".join(lines) + "</table>"
