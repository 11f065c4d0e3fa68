# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the documentation names is there: tests, files, launch arguments, parameters, states."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.data.clip_writer import ClipWriter

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
    assert len(states) == 8
    assert all(f'"{state}"' in code for state in states)
    causes = {cause.value for cause in ResetCause}
    named = set(re.findall(r"`(\w+_changed|time_jump_\w+|gap)`", page))
    assert len(named) == 5 and named <= causes


def test_a_clip_is_split_as_the_page_on_training_says(tmp_path: Path) -> None:
    """Each part is a clip that opens, though the whole has a pose for each of its images."""
    image = np.zeros((16, 16, 3), np.uint8)
    with ClipWriter(tmp_path / "CLIP", fps=5.0, classes=("road", "sky")) as writer:
        for _ in range(5):
            writer.add(image, label=image[..., 0], pose=np.eye(4))
    blocks = re.findall(r"```bash\n(.*?)```", text("docs/training.md"), flags=re.DOTALL)
    (recipe,) = (block for block in blocks if "for part in train validation" in block)
    recipe = recipe.replace("head -250", "head -3").replace("tail -n +251", "tail -n +4")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-e", "-c", recipe], cwd=tmp_path, check=True, env=os.environ | {"PATH": path}
    )
    whole = ClipFolder.open(tmp_path / "CLIP")
    parts = [ClipFolder.open(tmp_path / "mine" / part) for part in ("train", "validation")]
    names = [image.name for part in parts for image in part.images]
    assert [len(part) for part in parts] == [3, 2]
    assert names == [image.name for image in whole.images]
    for part in parts:
        assert (part.fps, part.classes, part.poses) == (5.0, ("road", "sky"), None)
        assert all(part.label(index) is not None for index in range(len(part)))


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
