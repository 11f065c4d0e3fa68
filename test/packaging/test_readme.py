# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the README promises is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_make_targets_exist() -> None:
    targets = re.findall(r"^make (\w+)", "\n".join(code("bash")), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_python_example_uses_what_is_there() -> None:
    from mila_ros import streaming

    (example,) = code("python")
    tree = ast.parse(example)
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "mila_ros.streaming"
        for alias in node.names
    }
    assert imported == {"Perception"}
    fields = streaming.Frame.__dataclass_fields__
    used = re.findall(r"frame\.(\w+)", README)
    assert used
    assert set(used) <= set(fields)


def test_parameters_exist() -> None:
    config = yaml.safe_load((ROOT / "config/perception.yaml").read_text("utf-8"))
    parameters = config["/**"]["ros__parameters"]
    named = set(re.findall(r"`((?:keyframe|max)_\w+|cameras)\b", README))
    assert {"cameras", "keyframe_period_s"} <= named
    assert named <= set(parameters)


def test_launch_arguments_exist() -> None:
    files = sorted((ROOT / "launch").glob("*.launch.py"))
    launch = "".join(path.read_text(encoding="utf-8") for path in files)
    named = set(re.findall(r"\b(\w+):=[^\s'`]+", README)) - {"source", "loop"}
    assert {"input_image", "rviz", "autostart", "use_sim_time"} <= named
    for name in named - {"image"}:
        assert f'"{name}"' in launch, name


def test_topics_exist() -> None:
    publishers = pytest.importorskip(
        "mila_ros.ros.publishers", reason="rclpy is not installed", exc_type=ImportError
    )
    table = README[README.index("## Topics") : README.index("## Parameters")]
    first = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`~/([\w/]+)`", first)) - {"input/image", "input/camera_info"}
    if "`~/{segmentation,depth,motion}/camera_info`" in first:
        named |= {f"{task}/camera_info" for task in ("segmentation", "depth", "motion")}
    others = {publishers.KEYFRAME_TOPIC, publishers.LABEL_INFO_TOPIC}
    assert named <= others | {output.topic for output in publishers.OUTPUTS}
    usual = ("segmentation", "depth", "motion")
    assert named >= others | {o.topic for o in publishers.OUTPUTS if o.task in usual}
