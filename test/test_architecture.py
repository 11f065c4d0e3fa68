# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: a folder only what lies below it, and ROS in one folder alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "mila_ros"

ROS = {
    "ament_index_python",
    "builtin_interfaces",
    "cv_bridge",
    "diagnostic_msgs",
    "lifecycle_msgs",
    "message_filters",
    "rcl_interfaces",
    "rclpy",
    "rosgraph_msgs",
    "sensor_msgs",
    "sensor_msgs_py",
    "std_msgs",
    "std_srvs",
    "tf2_msgs",
    "vision_msgs",
}


class Rule(NamedTuple):
    """What one folder or module of the package may import beside itself and Python's own."""

    own: set[str]
    others: set[str]


BASE = {"errors", "paths", "tasks"}
COMMAND = BASE | {"arguments", "processes", "progress_bar"}
RULES = {
    "__init__": Rule(set(), set()),
    "errors": Rule(set(), set()),
    "arguments": Rule(set(), set()),
    "paths": Rule({"errors"}, set()),
    "memory": Rule(set(), set()),
    "processes": Rule({"errors", "memory"}, set()),
    "progress_bar": Rule(set(), {"tqdm"}),
    "tasks": Rule(set(), {"torch"}),
    "threads": Rule(set(), set()),
    "environment": Rule(set(), set()),
    "visualization": Rule(set(), {"cv2", "numpy"}),
    "networks": Rule({"tasks"}, {"torch", "triton"}),
    # Exporters and runtimes are imported by the engines that need them, by name.
    "engines": Rule({"errors", "networks"}, {"torch"}),
    "streaming": Rule(BASE | {"networks", "engines"}, {"cv2", "numpy", "safetensors", "torch"}),
    # cv_bridge, where it is installed, for the rarer encodings.
    "data": Rule(COMMAND, {"cv2", "cv_bridge", "numpy", "rosbags"}),
    "simulation": Rule(COMMAND | {"data"}, {"cv2", "mujoco", "numpy", "rosbags"}),
    "evaluation": Rule(
        COMMAND | {"networks", "streaming", "data", "simulation", "visualization"},
        {"cv2", "matplotlib", "numpy", "torch"},
    ),
    "training": Rule(
        COMMAND | {"networks", "streaming", "data", "evaluation", "simulation", "visualization"},
        {"cv2", "numpy", "torch", "yaml"},
    ),
    "ros": Rule(
        BASE | {"networks", "streaming", "data", "evaluation", "threads", "visualization"},
        ROS | {"cv2", "numpy", "torch"},
    ),
    "launch_common": Rule({"paths"}, {"ament_index_python", "launch", "launch_ros", "yaml"}),
    "nodes": Rule({"errors", "paths"}, set()),
    "models": Rule(BASE | {"streaming"}, set()),
    "convert_command": Rule(COMMAND | {"data", "evaluation"}, set()),
    "export_command": Rule(
        COMMAND | {"engines", "environment", "networks", "streaming"}, {"torch"}
    ),
    "benchmark": Rule(
        COMMAND | {"networks", "streaming", "evaluation", "environment"},
        {"matplotlib", "numpy", "torch"},
    ),
    "demo": Rule(
        COMMAND | {"streaming", "data", "environment", "nodes", "visualization"},
        {"cv2", "numpy"},
    ),
    # The subcommands it imports by name, when they are asked for.
    "cli": Rule({"errors", "memory", "threads"}, set()),
}


def unit(path: Path) -> str:
    """The folder or module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, anywhere in it."""
    package = ["mila_ros", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from mila_ros import errors` names its module last.
            if module == "mila_ros":
                yield from (f"mila_ros.{alias.name}" for alias in node.names)
            else:
                yield module


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    name = unit(path)
    assert name in RULES, f"{name} is new: say in RULES what it may import"
    rule = RULES[name]
    for module in imported(path):
        top, *rest = module.split(".")
        if top == "mila_ros":
            target = rest[0] if rest else "__init__"
            allowed = target in rule.own | {name, "__version__"}
        else:
            allowed = top in sys.stdlib_module_names or top in rule.others
        assert allowed, f"{name} may not import {module}"


def test_no_rule_outlives_its_folder() -> None:
    assert set(RULES) == {unit(path) for path in FILES}


# Refuses every module that is neither Python's own, nor allowed, nor imported by an allowed one.
IMPORT_WITH_ONLY = """
import importlib.abc, os, sys
os.chdir({root!r})
sys.path.insert(0, {root!r})
allowed = {allowed!r}
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed or top in sys.stdlib_module_names:
            return None
        frame = sys._getframe(1)
        while frame:
            caller = frame.f_globals.get("__name__", "").partition(".")[0]
            if caller in allowed - {{"mila_ros"}}:
                return None
            if caller == "mila_ros":
                break
            frame = frame.f_back
        raise ModuleNotFoundError("refused: " + name, name=name)
sys.meta_path.insert(0, Refuse())
import {module}
print(sorted(m for m in sys.modules if m in {watched!r}))
"""


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("mila_ros.arguments", set()),
        ("mila_ros.launch_common", set()),
        ("mila_ros.networks", {"torch"}),
        ("mila_ros.streaming", {"torch", "numpy", "cv2", "safetensors"}),
        ("mila_ros.data", {"numpy", "cv2"}),
        ("mila_ros.simulation", {"numpy", "cv2"}),
    ],
)
def test_import_needs_no_more_than_promised(module: str, allowed: set[str]) -> None:
    watched = sorted({"rclpy", "sensor_msgs", "mujoco", "matplotlib", "rosbags", "tensorboard"})
    code = IMPORT_WITH_ONLY.format(
        root=str(PACKAGE.parent), allowed=allowed | {"mila_ros"}, module=module, watched=watched
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
