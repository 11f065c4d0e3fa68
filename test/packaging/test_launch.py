# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files would start, without starting it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

REASON = "launch_ros is not installed; it comes with a ROS 2 distribution and is not on PyPI"
launch = pytest.importorskip("launch", reason=REASON)
launch_ros = pytest.importorskip("launch_ros", reason=REASON)

LaunchFile = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


def test_defaults_are_those_of_the_parameter_file(launch_file: LaunchFile, share: Path) -> None:
    launched = launch_file()
    (node,) = launched.nodes
    assert isinstance(node, launch_ros.actions.LifecycleNode)
    assert (node.node_package, node.node_executable) == ("mila_ros", "perception")
    assert node.node_name == "/mila"
    config = yaml.safe_load((ROOT / "config/perception.yaml").read_text("utf-8"))
    assert launched.parameters(node) == config["/**"]["ros__parameters"]
    assert node.expanded_remapping_rules == [
        ("~/input/image", "image_raw"),
        ("~/input/camera_info", "camera_info"),
    ]
    assert "mila:=info" in launched.command(node)
    assert launched.profiles == str(share / "config" / "fastdds.xml")


def test_arguments_override_the_parameter_file(launch_file: LaunchFile, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("/**: {ros__parameters: {model: mine, device: cpu, autostart: true}}")
    launched = launch_file(
        namespace="robot",
        name="eyes",
        params_file=str(own),
        device="cuda:1",
        engine="tensorrt",
        autostart="false",
        use_sim_time="true",
        image_transport="compressed",
        input_image="/front/image_raw",
        input_camera_info="/calibration",
        log_level="debug",
    )
    (node,) = launched.nodes
    assert node.node_name == "/robot/eyes"
    assert launched.parameters(node) == {
        "model": "mine",
        "device": "cuda:1",
        "engine": "tensorrt",
        "autostart": False,
        "use_sim_time": True,
        "image_transport": "compressed",
    }
    assert dict(node.expanded_remapping_rules) == {
        "~/input/image": "/front/image_raw",
        "~/input/camera_info": "/calibration",
    }
    assert "robot.eyes:=debug" in launched.command(node)


def test_a_model_stays_text(launch_file: LaunchFile) -> None:
    launched = launch_file(model="20261")
    assert launched.parameters(launched.nodes[0])["model"] == "20261"


def test_a_profile_of_the_user_stays(
    launch_file: LaunchFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROFILES, "mine.xml")
    assert launch_file().profiles == "mine.xml"


def test_rviz_follows_the_node(launch_file: LaunchFile, share: Path) -> None:
    launched = launch_file(rviz="true", ros_namespace="fleet", namespace="robot", name="eyes")
    rviz, node = launched.nodes
    assert node.node_name == "/fleet/robot/eyes"
    assert (rviz.node_package, rviz.node_executable) == ("rviz2", "rviz2")
    config = yaml.safe_load((ROOT / "config/perception.rviz").read_text("utf-8"))
    shown = [d["Topic"]["Value"] for d in config["Visualization Manager"]["Displays"]]
    assert [source for source, _ in rviz.expanded_remapping_rules] == shown
    assert [target for _, target in rviz.expanded_remapping_rules] == [
        "/fleet/robot/image_raw",
        "/fleet/robot/eyes/segmentation/overlay",
        "/fleet/robot/eyes/depth/image",
        "/fleet/robot/eyes/motion/mask",
        "/fleet/robot/eyes/depth/points",
    ]
    assert str(share / "config" / "perception.rviz") in launched.command(rviz)


def test_rviz_looks_from_the_cameras_own_frame(launch_file: LaunchFile) -> None:
    launched = launch_file(rviz="true", rviz_frame="front_optical")
    command = launched.command(launched.node("rviz2"))
    assert command[command.index("--fixed-frame") + 1] == "front_optical"
    launched = launch_file(rviz="true")
    assert "--fixed-frame" not in launched.command(launched.node("rviz2"))


def test_a_missing_parameter_file_is_refused(launch_file: LaunchFile) -> None:
    with pytest.raises(FileNotFoundError, match=r"params_file:=/no\.yaml is no file"):
        launch_file(params_file="/no.yaml")


def test_a_wrong_choice_is_refused(launch_file: LaunchFile) -> None:
    with pytest.raises(RuntimeError, match="rviz"):
        launch_file(rviz="yes")


def test_a_bag_is_evaluated_with_its_own_time_and_topics(
    launch_file: LaunchFile, tmp_path: Path
) -> None:
    launched = launch_file(
        "evaluate_bag",
        bag=str(tmp_path),
        output="out",
        input_image="/front/image_raw",
        image_transport="compressed",
        depth_truth="points",
        truth_points="/velodyne",
        keyframe_every="3",
        rate="0.5",
        reliability="best_effort",
    )
    assert sorted(node.node_executable for node in launched.nodes) == [
        "evaluator",
        "perception",
        "player",
    ]
    perception = launched.parameters(launched.node("perception"))
    assert perception["use_sim_time"] is True
    assert (perception["keyframe_policy"], perception["keyframe_every"]) == ("every", 3)
    player = launched.parameters(launched.node("player"))
    assert player["bag"] == str(tmp_path) and player["rate"] == 0.5
    image, info = "/front/image_raw/compressed", "/front/camera_info"
    assert player["topics"][:2] == [image, info] and "/velodyne" in player["topics"]
    assert "/ground_truth/depth/image" not in player["topics"]
    assert player["wait_for"] == [f"{image}:2", f"{info}:2"]
    evaluator = launched.parameters(launched.node("evaluator"))
    assert evaluator["use_sim_time"] is True and evaluator["depth_truth"] == "points"
    assert evaluator[f"qos_overrides.{image}.subscription.reliability"] == "best_effort"
    remapped = dict(launched.node("evaluator").expanded_remapping_rules)
    assert remapped["image_raw"] == "/front/image_raw" and remapped["lidar/points"] == "/velodyne"


def test_evaluations_parameters_are_the_nodes_own(launch_file: LaunchFile, tmp_path: Path) -> None:
    from mila_ros.ros.evaluation_parameters import EVALUATOR_PARAMETERS, PLAYER_PARAMETERS

    launched = launch_file("evaluate_bag", bag=str(tmp_path))
    for name, specs in {"player": PLAYER_PARAMETERS, "evaluator": EVALUATOR_PARAMETERS}.items():
        known = {spec.name: type(spec.default) for spec in specs} | {"use_sim_time": bool}
        for key, value in launched.parameters(launched.node(name)).items():
            if not key.startswith("qos_overrides."):
                assert type(value) is known[key], (name, key)


def test_a_bag_may_be_played_by_others_and_must_be_there(
    launch_file: LaunchFile, tmp_path: Path
) -> None:
    launched = launch_file("evaluate_bag", bag=str(tmp_path), play="false")
    assert sorted(node.node_executable for node in launched.nodes) == ["evaluator", "perception"]
    with pytest.raises(FileNotFoundError, match="bag:=/no_bag does not exist"):
        launch_file("evaluate_bag", bag="/no_bag")


def test_the_demo_is_a_camera_and_the_node(launch_file: LaunchFile, share: Path) -> None:
    launched = launch_file("demo", loop="false", device="cpu", engine="auto")
    assert [node.node_executable for node in launched.nodes] == ["perception", "camera"]
    camera = launched.parameters(launched.node("camera"))
    assert camera["source"] == str(share / "samples" / "street")
    assert camera["loop"] is False and camera["wait_for_subscribers"] == 1
    perception = launched.node("perception")
    assert launched.parameters(perception)["device"] == "cpu"
    assert launched.parameters(perception)["engine"] == "auto"
    assert ("~/input/image", "image_raw") in perception.expanded_remapping_rules
    assert launched.profiles == str(share / "config" / "fastdds.xml")


@pytest.mark.parametrize("file", ["perception", "demo", "multi_camera", "evaluate_bag"])
def test_every_argument_is_described(share: Path, file: str) -> None:
    path = share / "launch" / f"{file}.launch.py"
    source = launch.launch_description_sources.PythonLaunchDescriptionSource(str(path))
    description = source.get_launch_description(launch.LaunchContext())
    for argument in description.get_launch_arguments():
        described = argument.description.partition(" Valid choices are")[0]
        assert described.endswith("."), argument.name
