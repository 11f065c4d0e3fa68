# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of ``docs/topics_and_parameters.md``, made of those in the code; needs no ROS.

``python -m mila_ros.ros.parameter_docs docs/topics_and_parameters.md`` writes them anew between
the page's markers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mila_ros.errors import MilaError
from mila_ros.ros import topics
from mila_ros.ros.evaluation_parameters import EVALUATOR_PARAMETERS, PLAYER_PARAMETERS
from mila_ros.ros.parameter_spec import ParameterSpec
from mila_ros.ros.parameter_table import PARAMETERS
from mila_ros.ros.recording_parameters import CAMERA_PARAMETERS, RECORDER_PARAMETERS
from mila_ros.ros.topics import Topic

RELIABLE = "reliable, keep last 1"
LATCHED = "reliable, transient local, keep last 1"
BEST_EFFORT = "best effort, keep last 1"


OTHERS = {
    "camera": CAMERA_PARAMETERS,
    "recorder": RECORDER_PARAMETERS,
    "player": PLAYER_PARAMETERS,
    "evaluator": EVALUATOR_PARAMETERS,
}
"""Parameters of the other nodes."""


def parameters_markdown(specs: Iterable[ParameterSpec] = PARAMETERS) -> str:
    """Return a row for each parameter: name, type, default, values, when it may be set, meaning."""
    lines = [
        "| Parameter | Type | Default | Values | May be set | Meaning |",
        "|---|---|---|---|---|---|",
    ]
    for spec in specs:
        default = str(spec.default).lower() if isinstance(spec.default, bool) else spec.default
        values = ", ".join(spec.choices)
        if spec.minimum is not None:
            values = f"{spec.minimum} to {spec.maximum}"
        lines.append(
            f"| `{spec.name}` | {spec.kind} | `{default}` | {values} | {spec.change.value} | "
            f"{spec.description} |"
        )
    return "\n".join(lines) + "\n"


def topics_markdown() -> str:
    """Return a row for each topic and service: name, type, QoS, content."""
    lines = ["| Topic | Type | QoS | Content |", "|---|---|---|---|"]
    lines += [_row(topic, BEST_EFFORT) for topic in topics.INPUTS]
    lines += [_row(topic, RELIABLE) for topic in topics.FRAME_OUTPUTS]
    lines += [_row(topics.LABEL_INFO, LATCHED), _row(topics.KEYFRAME, RELIABLE)]
    lines += [_row(topic, RELIABLE) for topic in topics.TIMINGS]
    lines += [_row(topics.DIAGNOSTICS, RELIABLE), _row(topics.ENABLE, "service")]
    return "\n".join(lines) + "\n"


def refreshed(page: str) -> str:
    """Return the page with its tables as the code has them now.

    Raises:
        MilaError: the page lacks a marker.
    """
    tables = {"topics": topics_markdown(), "parameters": parameters_markdown()}
    tables |= {name: parameters_markdown(specs) for name, specs in OTHERS.items()}
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if begin not in page or end not in page.partition(begin)[2]:
            raise MilaError(
                f"the page has no place for the table: it takes the lines {begin.strip()} and "
                f"{end.strip()}, in this order"
            )
        before, _, rest = page.partition(begin)
        page = before + begin + table + end + rest.partition(end)[2]
    return page


def main(arguments: Sequence[str]) -> int:
    """Write the tables into the pages named."""
    for path in map(Path, arguments):
        path.write_text(refreshed(path.read_text("utf-8")), "utf-8")
    return 0


def _row(topic: Topic, qos: str) -> str:
    name = topic.name if topic.name.startswith(("/", "~/")) else f"~/{topic.name}"
    return f"| `{name}` | `{topic.type}` | {qos} | {topic.content} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
