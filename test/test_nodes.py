# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes' commands: where there is no ROS, and what Fast DDS is told before they start."""

from __future__ import annotations

import importlib.util
import os
from types import SimpleNamespace

import pytest

from mila_ros import nodes


@pytest.mark.parametrize("name", ["perception", "camera", "recorder"])
def test_a_missing_ros_is_one_sentence_with_the_mend(name, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert getattr(nodes, name)() == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{name}: this needs ROS 2") and error.count("\n") == 1
    assert "pip install 'ros-jazzy-rclpy[fastrtps]'" in error


def test_large_images_are_prepared_for_before_a_node_starts(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    seen = []

    def main() -> int:
        seen.append(os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"])
        return 0

    node = SimpleNamespace(main=main)
    monkeypatch.setattr(nodes.importlib, "import_module", lambda name: node)
    monkeypatch.setattr(nodes, "check_ros", lambda: None)
    assert nodes.camera() == 0
    assert seen[0].endswith("config/fastdds.xml") and os.path.isfile(seen[0])
