# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch file would start, without starting it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

REASON = "launch_ros is not installed; it comes with a ROS 2 distribution and is not on PyPI"
launch = pytest.importorskip("launch", reason=REASON)
launch_ros = pytest.importorskip("launch_ros", reason=REASON)

ROOT = Path(__file__).resolve().parents[2]
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The share folder of the package in an ament prefix of its own."""
    packages = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    packages.mkdir(parents=True)
    (packages / "mila_ros").touch()
    (tmp_path / "share" / "mila_ros").symlink_to(ROOT)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    monkeypatch.delenv(PROFILES, raising=False)
    return tmp_path / "share" / "mila_ros"


class Launched:
    """What a launch file makes of its arguments."""

    def __init__(self, share: Path, file: str = "perception", **arguments: str) -> None:
        path = share / "launch" / f"{file}.launch.py"
        spec = importlib.util.spec_from_file_location(f"{file}_launch", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        context = launch.LaunchContext()
        context.launch_configurations.update(arguments)
        environment = dict(os.environ)
        try:
            self.nodes: list[Any] = []
            self._collect(module.generate_launch_description(), context)
            for node in self.nodes:
                node._perform_substitutions(context)
            self.profiles = os.environ[PROFILES]
        finally:
            os.environ.clear()
            os.environ.update(environment)
        self.context = context

    def _collect(self, entity: Any, context: Any) -> None:
        """Carry out everything but the nodes."""
        if isinstance(entity, launch_ros.actions.Node):
            self.nodes.append(entity)
            return
        for inner in entity.visit(context) or []:
            self._collect(inner, context)

    def node(self, executable: str) -> Any:
        (found,) = (node for node in self.nodes if node.node_executable == executable)
        return found

    def command(self, node: Any) -> list[str]:
        """The command line of a node, but for the name and namespace that come last."""
        words = []
        for word in node.cmd:
            if not any(type(part).__name__ == "LocalSubstitution" for part in word):
                if not type(word[0]).__name__ == "ExecutableInPackage":
                    words.append("".join(part.perform(self.context) for part in word))
        return words

    def parameters(self, node: Any) -> dict[str, object]:
        """The parameters of a node, what is given last overriding what is given first."""
        command = self.command(node)
        values: dict[str, object] = {}
        for flag, path in zip(command, command[1:], strict=False):
            if flag == "--params-file":
                # launch_ros writes lists as tuples of Python, which ROS reads all the same.
                written = Path(path).read_text("utf-8").replace("!!python/tuple", "")
                for name, section in yaml.safe_load(written).items():
                    if name != "elsewhere":
                        values |= section["ros__parameters"]
        return values


def test_defaults_are_those_of_the_parameter_file(share: Path) -> None:
    launched = Launched(share)
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


def test_arguments_override_the_parameter_file(share: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("/**: {ros__parameters: {model: mine, device: cpu, autostart: true}}")
    launched = Launched(
        share,
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


def test_a_model_stays_text(share: Path) -> None:
    launched = Launched(share, model="20261")
    assert launched.parameters(launched.nodes[0])["model"] == "20261"


def test_a_profile_of_the_user_stays(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILES, "mine.xml")
    assert Launched(share).profiles == "mine.xml"


def test_rviz_follows_the_node(share: Path) -> None:
    launched = Launched(share, rviz="true", ros_namespace="fleet", namespace="robot", name="eyes")
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


def test_rviz_looks_from_the_cameras_own_frame(share: Path) -> None:
    launched = Launched(share, rviz="true", rviz_frame="front_optical")
    command = launched.command(launched.node("rviz2"))
    assert command[command.index("--fixed-frame") + 1] == "front_optical"
    launched = Launched(share, rviz="true")
    assert "--fixed-frame" not in launched.command(launched.node("rviz2"))


def test_a_missing_parameter_file_is_refused(share: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"params_file:=/no\.yaml is no file"):
        Launched(share, params_file="/no.yaml")


def test_a_wrong_choice_is_refused(share: Path) -> None:
    with pytest.raises(RuntimeError, match="rviz"):
        Launched(share, rviz="yes")


def test_a_bag_is_evaluated_with_its_own_time_and_topics(share: Path, tmp_path: Path) -> None:
    launched = Launched(
        share,
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


def test_evaluations_parameters_are_the_nodes_own(share: Path, tmp_path: Path) -> None:
    from mila_ros.ros.evaluation_parameters import EVALUATOR_PARAMETERS, PLAYER_PARAMETERS

    launched = Launched(share, "evaluate_bag", bag=str(tmp_path))
    for name, specs in {"player": PLAYER_PARAMETERS, "evaluator": EVALUATOR_PARAMETERS}.items():
        known = {spec.name: type(spec.default) for spec in specs} | {"use_sim_time": bool}
        for key, value in launched.parameters(launched.node(name)).items():
            if not key.startswith("qos_overrides."):
                assert type(value) is known[key], (name, key)


def test_a_bag_may_be_played_by_others_and_must_be_there(share: Path, tmp_path: Path) -> None:
    launched = Launched(share, "evaluate_bag", bag=str(tmp_path), play="false")
    assert sorted(node.node_executable for node in launched.nodes) == ["evaluator", "perception"]
    with pytest.raises(FileNotFoundError, match="bag:=/no_bag does not exist"):
        Launched(share, "evaluate_bag", bag="/no_bag")


def test_the_demo_is_a_camera_and_the_node(share: Path) -> None:
    launched = Launched(share, "demo", loop="false", device="cpu", engine="auto")
    assert [node.node_executable for node in launched.nodes] == ["perception", "camera"]
    camera = launched.parameters(launched.node("camera"))
    assert camera["source"] == str(share / "samples" / "street")
    assert camera["loop"] is False and camera["wait_for_subscribers"] == 1
    perception = launched.node("perception")
    assert launched.parameters(perception)["device"] == "cpu"
    assert launched.parameters(perception)["engine"] == "auto"
    assert ("~/input/image", "image_raw") in perception.expanded_remapping_rules
    assert launched.profiles == str(share / "config" / "fastdds.xml")


def test_each_camera_has_its_topics(share: Path) -> None:
    launched = Launched(share, "multi_camera", cameras="front, left,right", source="clip")
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
    assert len(Launched(share, "multi_camera").nodes) == 1


def test_several_cameras_are_launched_as_one_is(share: Path) -> None:
    launched = Launched(
        share, "multi_camera", cameras="front,left", source="clip", namespace="robot",
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
        Launched(share, "multi_camera", cameras="front,left", input_image="/image")


def test_a_single_cameras_topic_is_not_that_of_several(share: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("/**: {ros__parameters: {cameras: [front, rear]}}\n")
    launched = Launched(share, params_file=str(own), input_image="/image")
    assert launched.node("perception") and len(launched.nodes) == 1


def test_the_users_file_names_cameras_model_and_clock(share: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "/**: {ros__parameters: {model: mine, cameras: [front, rear], use_sim_time: true}}\n"
        "elsewhere: {ros__parameters: {model: another, cameras: [up]}}\n"
    )
    launched = Launched(share, "multi_camera", params_file=str(own))
    perception = launched.node("perception")
    values = launched.parameters(perception)
    assert values["cameras"] == ["front", "rear"] and values["use_sim_time"] is True
    rules = dict(perception.expanded_remapping_rules)
    assert rules["~/rear/input/image"] == "/rear/image_raw" and len(rules) == 4
    launched = Launched(share, "evaluate_bag", bag=str(tmp_path), params_file=str(own))
    assert launched.parameters(launched.node("perception"))["model"] == "mine"
    assert launched.parameters(launched.node("evaluator"))["model"] == "mine"
    launched = Launched(share, "evaluate_bag", bag=str(tmp_path), model="given")
    assert launched.parameters(launched.node("perception"))["model"] == "given"
    assert launched.parameters(launched.node("evaluator"))["model"] == "given"
    own.write_text("/**: {ros__parameters: {model: mine}}\n")
    with pytest.raises(ValueError, match="no cameras are named: give cameras:=front,left"):
        Launched(share, "multi_camera", params_file=str(own))


@pytest.mark.parametrize("file", ["perception", "demo", "multi_camera", "evaluate_bag"])
def test_every_argument_is_described(share: Path, file: str) -> None:
    path = share / "launch" / f"{file}.launch.py"
    source = launch.launch_description_sources.PythonLaunchDescriptionSource(str(path))
    description = source.get_launch_description(launch.LaunchContext())
    for argument in description.get_launch_arguments():
        described = argument.description.partition(" Valid choices are")[0]
        assert described.endswith("."), argument.name
