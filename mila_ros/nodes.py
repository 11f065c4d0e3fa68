# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that are ROS nodes; where ROS is missing they say so in one sentence."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

from mila_ros.errors import MilaError
from mila_ros.paths import large_images

INSTALL_ROS = (
    "pip install 'ros-jazzy-rclpy[fastrtps]' ros-jazzy-sensor-msgs ros-jazzy-diagnostic-msgs "
    "ros-jazzy-std-srvs"
)


def check_ros() -> None:
    """Raise a MilaError that says how to install ROS, if it is not there."""
    if importlib.util.find_spec("rclpy") is None:
        raise MilaError(
            "this needs ROS 2, and this Python has no rclpy; source a ROS 2 distribution, "
            f"or run: {INSTALL_ROS}"
        )


def perception() -> int:
    """Run the perception node."""
    return _run("perception")


def camera() -> int:
    """Run the camera node."""
    return _run("camera")


def recorder() -> int:
    """Run the recorder node."""
    return _run("recorder")


def player() -> int:
    """Run the player node."""
    return _run("player")


def evaluator() -> int:
    """Run the evaluator node."""
    return _run("evaluator")


def _run(name: str) -> int:
    try:
        check_ros()
        os.environ.update(large_images(os.environ))  # before Fast DDS reads it
    except MilaError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    # By name, so that nothing but the node's own command imports the folder that needs ROS.
    return int(importlib.import_module(f"mila_ros.ros.{name}_node").main())
