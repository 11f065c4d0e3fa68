# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the documentation names is there: tests, files, launch arguments, parameters, states."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(f"docs/{name}.md" for name in ("quick_start", "tuning", "troubleshooting", "faq")),
    "CONTRIBUTING.md",
    "QUALITY_DECLARATION.md",
]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text(page)) if "://" not in link]
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_named_tests_exist(page: str) -> None:
    for path, name in re.findall(r"`(test/[\w/]+\.py)::(\w+)`", text(page)):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{path}::{name}"


def test_each_of_the_fifteen_complaints_has_an_answer_and_a_test() -> None:
    parts = re.split(r"^### (\d+)\. ", text("docs/faq.md"), flags=re.MULTILINE)
    assert [int(number) for number in parts[1::2]] == list(range(1, 16))
    for answer in parts[2::2]:
        assert re.search(r"^Tests: `test/", answer, re.MULTILINE), answer[:60]


def test_named_launch_arguments_and_files_exist() -> None:
    arguments = {
        argument
        for path in (ROOT / "launch").glob("*.launch.py")
        for argument in re.findall(r'argument\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    for page in PAGES:
        named = set(re.findall(r"\b(\w+):=", text(page))) - {"image"}
        # Parameters and remappings given to a node of the wheels.
        nodes = set(re.findall(r"-p (\w+):=", text(page))) | {"camera_info"}
        assert named - nodes <= arguments, (page, named - nodes - arguments)
        for launch in re.findall(r"\b(\w+\.launch\.py)", text(page)):
            assert (ROOT / "launch" / launch).is_file(), launch


def test_named_parameters_exist() -> None:
    section = yaml.safe_load(text("config/perception.yaml"))["/**"]["ros__parameters"]
    known = set(section)
    known |= {
        f"{key}.{name}" for key, sub in section.items() if isinstance(sub, dict) for name in sub
    }
    pattern = (
        r"`((?:keyframe|max_gap|max_image|image_timeout|cpu)_\w+|(?:depth|diagnostics)\.\w+)\b"
    )
    named = {name for page in PAGES for name in re.findall(pattern, text(page))}
    assert {"keyframe_period_s", "depth.points_stride", "cpu_threads"} <= named
    assert named <= known


def test_named_states_and_causes_exist() -> None:
    from mila_ros.streaming import ResetCause

    page = text("docs/troubleshooting.md")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "mila_ros/ros").glob("*.py"))
    states = re.findall(r"`(\w+)`", page[page.index("for each camera:") : page.index("## Nothing")])
    assert len(states) == 7
    assert all(f'"{state}"' in code for state in states)
    causes = {cause.value for cause in ResetCause}
    named = set(re.findall(r"`(\w+_changed|time_jump_\w+|gap)`", page))
    assert len(named) == 5 and named <= causes


def test_the_docker_file_installs_what_is_needed() -> None:
    docker = text("docker/Dockerfile")
    for name in (
        "torch",
        "safetensors",
        "rosbags",
        "vision-msgs",
        "sensor-msgs-py",
        "python3-opencv",
    ):
        assert name in docker
    assert "colcon build" in docker and "config/fastdds.xml" in docker


def test_the_multi_camera_file_holds_parameters_of_the_node() -> None:
    own = yaml.safe_load(text("config/multi_camera.yaml"))["/**"]["ros__parameters"]
    known = yaml.safe_load(text("config/perception.yaml"))["/**"]["ros__parameters"]
    assert set(own) <= set(known) and len(own["cameras"]) == 2
    assert own["keyframe_period_s"] <= own["keyframe_max_age_s"]
