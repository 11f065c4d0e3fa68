# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes' commands where there is no ROS."""

from __future__ import annotations

import importlib.util

import pytest

from mila_ros import nodes


@pytest.mark.parametrize("name", ["perception", "camera", "recorder"])
def test_a_missing_ros_is_one_sentence_with_the_mend(name, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert getattr(nodes, name)() == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{name}: this needs ROS 2") and error.count("\n") == 1
    assert "pip install 'ros-jazzy-rclpy[fastrtps]'" in error
