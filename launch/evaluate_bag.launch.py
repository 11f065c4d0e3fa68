# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the perception node and measure it against the truth in the bag.

ros2 launch mila_ros evaluate_bag.launch.py bag:=kitti_bag output:=evaluation
"""

from __future__ import annotations

import os
import posixpath

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("mila_ros")
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"

# The evaluator's names for what is true, and the launch arguments that say where it is.
TRUTHS = {
    "ground_truth/segmentation/mask": "truth_mask",
    "ground_truth/depth/image": "truth_depth",
    "ground_truth/motion/mask": "truth_motion",
    "lidar/points": "truth_points",
}
DEPTH_TRUTHS = {"image": "lidar/points", "points": "ground_truth/depth/image"}


def generate_launch_description() -> LaunchDescription:
    argument = DeclareLaunchArgument
    return LaunchDescription(
        [
            argument("bag", description="The bag: a rosbag2 folder or file."),
            argument(
                "output",
                default_value="evaluation",
                description="Folder for evaluation.json and the report; must hold none yet.",
            ),
            argument(
                "input_image",
                default_value="/camera/image_raw",
                description="Topic of the images in the bag, without /compressed.",
            ),
            argument(
                "input_camera_info",
                default_value="",
                description="Topic of the calibration; empty: camera_info beside the images.",
            ),
            argument(
                "image_transport",
                default_value="raw",
                choices=["raw", "compressed"],
                description="How the images are recorded.",
            ),
            argument(
                "truth_mask",
                default_value="/ground_truth/segmentation/mask",
                description="Topic of the true class ids, mono8.",
            ),
            argument(
                "truth_classes",
                default_value="",
                description="Names of those ids, such as cityscapes19; empty: as the bag says, "
                "else the model's own.",
            ),
            argument(
                "truth_depth",
                default_value="/ground_truth/depth/image",
                description="Topic of true depth, dense or sparse: 32FC1 metres or 16UC1 mm.",
            ),
            argument(
                "truth_motion",
                default_value="/ground_truth/motion/mask",
                description="Topic of what truly moves: mono8, 255 moving, 127 unknown.",
            ),
            argument(
                "truth_points",
                default_value="/lidar/points",
                description="Topic of a LiDAR's PointCloud2, for depth_truth:=points.",
            ),
            argument(
                "depth_truth",
                default_value="image",
                choices=["image", "points"],
                description="True depth from truth_depth, or from truth_points projected.",
            ),
            argument(
                "lidar_to_camera",
                default_value="",
                description="12 numbers, the rows of [R | t]; empty: from /tf_static.",
            ),
            argument(
                "tolerance_s",
                default_value="0.0",
                description="Most by which the stamp of a truth may differ from its image's.",
            ),
            argument(
                "max_depth_m",
                default_value="50.0",
                description="True depth beyond this is left out.",
            ),
            argument(
                "params_file",
                default_value=f"{SHARE}/config/perception.yaml",
                description="YAML file with the parameters of the perception node.",
            ),
            argument(
                "model",
                default_value="mila_street",
                description="Name of a model or path of its folder.",
            ),
            argument(
                "device",
                default_value="",
                description="auto, cpu, cuda or cuda:N; empty: as in params_file.",
            ),
            argument(
                "keyframe_every",
                default_value="5",
                description="Frames from keyframe to keyframe; 0: the policy of params_file.",
            ),
            argument(
                "rate",
                default_value="1.0",
                description="How many times as fast as it was recorded the bag is played.",
            ),
            argument(
                "play",
                default_value="true",
                choices=["true", "false"],
                description="Play the bag; false leaves that to `ros2 bag play --clock`.",
            ),
            argument(
                "reliability",
                default_value="reliable",
                choices=["reliable", "best_effort"],
                description="Of the evaluator's subscriptions to the bag's topics; best_effort "
                "where `ros2 bag play` publishes them so.",
            ),
            argument(
                "end_after_s",
                default_value="5.0",
                description="Seconds of silence after which the evaluation is complete.",
            ),
            SetEnvironmentVariable(
                PROFILES,
                EnvironmentVariable(PROFILES, default_value=f"{SHARE}/config/fastdds.xml"),
            ),
            OpaqueFunction(function=_actions),
        ]
    )


def _actions(context: LaunchContext) -> list[object]:
    arguments = context.launch_configurations
    for name in ("bag", "params_file"):
        if not os.path.exists(arguments[name]):
            raise FileNotFoundError(f"{name}:={arguments[name]} does not exist")
    perception, evaluator = _perception(arguments), _evaluator(arguments)
    actions: list[object] = [perception, evaluator, _end_with(evaluator), _end_with(perception)]
    if arguments["play"] == "true":
        player = _player(arguments)
        actions += [player, _end_with(player, only_on_failure=True)]
    return actions


def _topics(arguments: dict[str, str]) -> tuple[str, str]:
    """The topics of the images, without /compressed, and of the calibration."""
    image = arguments["input_image"]
    beside = posixpath.join(posixpath.dirname(image), "camera_info")
    return image, arguments["input_camera_info"] or beside


def _perception(arguments: dict[str, str]) -> LifecycleNode:
    image, camera_info = _topics(arguments)
    given: dict[str, object] = {
        key: ParameterValue(arguments[key], value_type=str)
        for key in ("model", "device", "image_transport")
        if arguments[key]
    }
    every = int(arguments["keyframe_every"])
    if every:
        given |= {"keyframe_policy": "every", "keyframe_every": every}
    return LifecycleNode(
        package="mila_ros",
        executable="perception",
        name="mila",
        namespace="",
        parameters=[arguments["params_file"], given | {"use_sim_time": True, "autostart": True}],
        remappings=[("~/input/image", image), ("~/input/camera_info", camera_info)],
        output="screen",
    )


def _evaluator(arguments: dict[str, str]) -> Node:
    image, camera_info = _topics(arguments)
    parameters: dict[str, object] = {
        key: ParameterValue(arguments[key], value_type=str)
        for key in ("bag", "output", "model", "truth_classes", "depth_truth", "lidar_to_camera")
    }
    for key in ("tolerance_s", "max_depth_m", "end_after_s"):
        parameters[key] = float(arguments[key])
    is_compressed = arguments["image_transport"] == "compressed"
    from_bag = [f"{image}/compressed" if is_compressed else image, camera_info]
    from_bag += [arguments[name] for name in TRUTHS.values()]
    for topic in from_bag:
        name = f"qos_overrides.{posixpath.join('/', topic)}.subscription.reliability"
        parameters[name] = arguments["reliability"]
    return Node(
        package="mila_ros",
        executable="evaluator",
        parameters=[parameters | {"transport": arguments["image_transport"], "use_sim_time": True}],
        remappings=[
            ("image_raw", image),
            ("camera_info", camera_info),
            *((own, arguments[name]) for own, name in TRUTHS.items()),
        ],
        output="screen",
    )


def _player(arguments: dict[str, str]) -> Node:
    image, camera_info = _topics(arguments)
    if arguments["image_transport"] == "compressed":
        image += "/compressed"
    infos = 2 if arguments["depth_truth"] == "points" else 1
    unused = DEPTH_TRUTHS[arguments["depth_truth"]]
    truths = [arguments[name] for own, name in TRUTHS.items() if own != unused]
    return Node(
        package="mila_ros",
        executable="player",
        parameters=[
            {
                "bag": ParameterValue(arguments["bag"], value_type=str),
                "rate": float(arguments["rate"]),
                # Not all topics: a recording may hold another node's answers too.
                # The evaluator reads /tf_static from the bag itself.
                "topics": [image, camera_info, *truths],
                "wait_for": [f"{image}:2", f"{camera_info}:{infos}"],
                # Until the subscribers know the publishers, too.
                "start_delay": 2.0,
            }
        ],
        output="screen",
    )


def _end_with(action: Node, *, only_on_failure: bool = False) -> RegisterEventHandler:
    """End everything when this process ends."""

    def shut_down(event: ProcessExited, context: LaunchContext) -> list[EmitEvent]:
        # A second shutdown event is an error to launch_ros.
        if context.is_shutdown or only_on_failure and event.returncode == 0:
            return []
        return [EmitEvent(event=Shutdown(reason=f"{event.process_name} has ended"))]

    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=shut_down))
