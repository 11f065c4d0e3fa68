# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch file of several cameras would start, without starting it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REASON = "launch_ros is not installed; it comes with a ROS 2 distribution and is not on PyPI"
pytest.importorskip("launch", reason=REASON)
pytest.importorskip("launch_ros", reason=REASON)

LaunchFile = Callable[..., Any]


def test_each_camera_has_its_topics(launch_file: LaunchFile) -> None:
    launched = launch_file("multi_camera", cameras="front, left,right", source="clip")
    perception = launched.node("perception")
    assert launched.parameters(perception)["cameras"] == ["front", "left", "right"]
    rules = dict(perception.expanded_remapping_rules)
    assert rules["~/right/input/image"] == "/right/image_raw"
    assert rules["~/right/input/camera_info"] == "/right/camera_info" and len(rules) == 6
    cameras = [node for node in launched.nodes if node.node_executable == "camera"]
    assert [node.node_name for node in cameras] == [
        "/front/<node_name_unspecified>",
        "/left/<node_name_unspecified>",
        "/right/<node_name_unspecified>",
    ]
    assert len(launch_file("multi_camera").nodes) == 1


def test_several_cameras_are_launched_as_one_is(launch_file: LaunchFile) -> None:
    launched = launch_file(
        "multi_camera", cameras="front,left", source="clip", namespace="robot",
        input_image="/rig/{camera}/color/image", image_transport="compressed", autostart="false",
        log_level="debug",
    )  # fmt: skip
    perception = launched.node("perception")
    assert perception.node_name == "/robot/mila"
    values = launched.parameters(perception)
    assert values["image_transport"] == "compressed" and values["autostart"] is False
    rules = dict(perception.expanded_remapping_rules)
    assert rules["~/left/input/image"] == "/rig/left/color/image"
    assert rules["~/left/input/camera_info"] == "/rig/left/color/camera_info"
    player = [node for node in launched.nodes if node.node_executable == "camera"][1]
    assert dict(player.expanded_remapping_rules) == {
        "image_raw": "/rig/left/color/image", "camera_info": "/rig/left/color/camera_info"
    }  # fmt: skip
    assert launched.parameters(player)["transport"] == "compressed"
    with pytest.raises(ValueError, match="is the same topic for all; put {camera} in it"):
        launch_file("multi_camera", cameras="front,left", input_image="/image")


def test_a_single_cameras_topic_is_not_that_of_several(
    launch_file: LaunchFile, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("/**: {ros__parameters: {cameras: [front, rear]}}\n")
    launched = launch_file(params_file=str(own), input_image="/image")
    assert launched.node("perception") and len(launched.nodes) == 1


def test_the_users_file_names_cameras_model_and_clock(
    launch_file: LaunchFile, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "/**: {ros__parameters: {model: mine, cameras: [front, rear], use_sim_time: true}}\n"
        "elsewhere: {ros__parameters: {model: another, cameras: [up]}}\n"
    )
    launched = launch_file("multi_camera", params_file=str(own))
    perception = launched.node("perception")
    values = launched.parameters(perception)
    assert values["cameras"] == ["front", "rear"] and values["use_sim_time"] is True
    rules = dict(perception.expanded_remapping_rules)
    assert rules["~/rear/input/image"] == "/rear/image_raw" and len(rules) == 4
    launched = launch_file("evaluate_bag", bag=str(tmp_path), params_file=str(own))
    assert launched.parameters(launched.node("perception"))["model"] == "mine"
    assert launched.parameters(launched.node("evaluator"))["model"] == "mine"
    launched = launch_file("evaluate_bag", bag=str(tmp_path), model="given")
    assert launched.parameters(launched.node("perception"))["model"] == "given"
    assert launched.parameters(launched.node("evaluator"))["model"] == "given"
    own.write_text("/**: {ros__parameters: {model: mine}}\n")
    with pytest.raises(ValueError, match="no cameras are named: give cameras:=front,left"):
        launch_file("multi_camera", params_file=str(own))
