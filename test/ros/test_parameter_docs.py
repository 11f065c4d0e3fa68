# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The documentation's tables are the code's, and the code's tables are what the node has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import TINY_TASKS, make_tiny_bundle

from mila_ros.errors import MilaError
from mila_ros.ros import parameter_docs, topics
from mila_ros.ros.outputs import OUTPUTS
from mila_ros.ros.parameter_table import PARAMETERS
from mila_ros.ros.qos import describe

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "topics_and_parameters.md"
QOS = {
    parameter_docs.BEST_EFFORT: "best effort, volatile",
    parameter_docs.RELIABLE: "reliable, volatile",
    parameter_docs.LATCHED: "reliable, transient local",
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_the_page_has_the_tables_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert parameter_docs.refreshed(page) == page, (
        "run: python -m mila_ros.ros.parameter_docs docs/topics_and_parameters.md"
    )
    for spec in PARAMETERS:
        assert f"| `{spec.name}` |" in page
    others = [spec for specs in parameter_docs.OTHERS.values() for spec in specs]
    assert len(others) > 30 and all(f"| `{spec.name}` |" in page for spec in others)
    for output in OUTPUTS:
        assert f"| `~/{output.topic}` |" in page


def test_the_command_brings_an_old_page_up_to_date(tmp_path) -> None:
    page = PAGE.read_text("utf-8")
    old = tmp_path / "page.md"
    old.write_text(page.replace("| `keyframe_every` | integer | `5`", "| `keyframe_every` | 7"))
    assert parameter_docs.main([str(old)]) == 0
    assert old.read_text("utf-8") == page
    with pytest.raises(MilaError, match="<!-- parameters -->"):
        parameter_docs.refreshed(page.replace("<!-- parameters -->", ""))


def test_every_row_has_as_many_cells_as_its_head() -> None:
    for table in (parameter_docs.parameters_markdown(), parameter_docs.topics_markdown()):
        assert len({len(cells(line)) for line in table.splitlines()}) == 1


def test_a_parameters_row_says_what_its_spec_does() -> None:
    rows = {row[0]: row for row in map(cells, parameter_docs.parameters_markdown().splitlines())}
    assert len(rows) == 2 + len(PARAMETERS)
    assert rows["`keyframe_every`"][1:5] == ["integer", "`5`", "1 to 1000", "at any time"]
    expected = ["string", "`raw`", "raw, compressed", "while unconfigured"]
    assert rows["`image_transport`"][1:5] == expected
    assert rows["`autostart`"][1:5] == ["boolean", "`true`", "", "at the start"]


def test_the_docs_need_no_ros() -> None:
    code = (
        "import sys\n"
        "for name in ('rclpy', 'sensor_msgs', 'rcl_interfaces', 'torch'):\n"
        "    sys.modules[name] = None\n"
        "from mila_ros.ros.parameter_docs import parameters_markdown, topics_markdown\n"
        "print(len(parameters_markdown()), len(topics_markdown()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert all(int(length) > 1000 for length in result.stdout.split())


def test_the_nodes_topics_have_the_types_and_qos_of_the_table(make_bench, tmp_path) -> None:
    model = make_tiny_bundle(tmp_path / "all", list(TINY_TASKS))
    bench = make_bench(model=str(model), depth__encoding="16UC1")
    assert bench.change("configure") and bench.change("activate")
    rows = {row[0].strip("`"): row[1:3] for row in map(cells, table_lines())}
    missing = set(rows) - {"~/segmentation/label_info", "~/input/image/compressed", "~/enable"}
    for name in missing:
        type_name, promised = rows[name]
        topic = "/mila" + name.removeprefix("~") if name.startswith("~") else name
        look = (
            bench.client.get_subscriptions_info_by_topic
            if name.startswith("~/input/")
            else bench.client.get_publishers_info_by_topic
        )
        (endpoint,) = bench.wait(lambda look=look, topic=topic: look(topic))
        assert endpoint.topic_type.replace("/msg/", "/") == type_name.strip("`")
        assert describe(endpoint.qos_profile) == QOS[promised]
    services = bench.wait(
        lambda: [
            types
            for name, types in bench.client.get_service_names_and_types()
            if name == "/mila/enable"
        ]
    )
    assert services == [["std_srvs/srv/SetBool"]]
    expected = {name.removeprefix("~/") for name in missing if name[:2] == "~/"} - {
        topic.name for topic in topics.INPUTS
    }
    bench.wait(lambda: expected <= published(bench))
    assert published(bench) == expected


def published(bench) -> set[str]:
    """By endpoints: which node has them comes in other messages, and at times not at all."""
    return {
        name.removeprefix("/mila/")
        for name, _ in bench.client.get_topic_names_and_types()
        if name.startswith("/mila/")
        and "transition_event" not in name
        and bench.client.count_publishers(name)
    }


def table_lines() -> list[str]:
    return parameter_docs.topics_markdown().splitlines()[2:]
