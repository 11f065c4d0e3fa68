# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the perception node and measure it against the truth in the bag.

ros2 launch mila_ros evaluate_bag.launch.py bag:=kitti_bag output:=evaluation
"""

from __future__ import annotations

import os
import posixpath

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from mila_ros.launch_common import (
    BOOLEAN,
    argument,
    end_all,
    end_all_after_failure,
    file_parameter,
    input_topics,
    large_images,
    perception_node,
    share,
    shared_argument,
    text,
)

# The evaluator's names for what is true, and the launch arguments that say where it is.
TRUTHS = {
    "ground_truth/segmentation/mask": "truth_mask",
    "ground_truth/depth/image": "truth_depth",
    "ground_truth/motion/mask": "truth_motion",
    "lidar/points": "truth_points",
}
# What is not read for each depth_truth.
UNUSED = {"image": "lidar/points", "points": "ground_truth/depth/image"}
TEXTS = ("bag", "output", "truth_classes", "depth_truth", "lidar_to_camera")
NUMBERS = ("tolerance_s", "max_depth_m", "end_after_s")


def generate_launch_description() -> LaunchDescription:
    # fmt: off
    return LaunchDescription([
        argument("bag", None, "The bag: a rosbag2 folder or file."),
        argument("output", "evaluation",
                 "Folder for evaluation.json and the report; must hold none yet."),
        argument("input_image", "/camera/image_raw",
                 "Topic of the images in the bag, without /compressed."),
        shared_argument("input_camera_info"),
        argument("image_transport", "raw", "How the images are recorded.", ["raw", "compressed"]),
        argument("truth_mask", "/ground_truth/segmentation/mask",
                 "Topic of the true class ids, mono8."),
        argument("truth_classes", "", "Names of those ids, such as cityscapes19; empty: as the "
                 "bag says, else the model's own."),
        argument("truth_depth", "/ground_truth/depth/image",
                 "Topic of true depth, dense or sparse: 32FC1 metres or 16UC1 mm."),
        argument("truth_motion", "/ground_truth/motion/mask",
                 "Topic of what truly moves: mono8, 255 moving, 127 unknown."),
        argument("truth_points", "/lidar/points",
                 "Topic of a LiDAR's PointCloud2, for depth_truth:=points."),
        argument("depth_truth", "image",
                 "True depth from truth_depth, or from truth_points projected.",
                 ["image", "points"]),
        argument("lidar_to_camera", "", "12 numbers, the rows of [R | t]; empty: from /tf_static."),
        argument("tolerance_s", "0.0",
                 "Most by which the stamp of a truth may differ from its image's."),
        argument("max_depth_m", "50.0", "True depth beyond this is left out."),
        argument("params_file", f"{share()}/config/perception.yaml",
                 "YAML file with the parameters of the perception node."),
        shared_argument("model"),
        shared_argument("device"),
        shared_argument("engine"),
        argument("keyframe_every", "5",
                 "Frames from keyframe to keyframe; 0: the policy of params_file."),
        argument("rate", "1.0", "How many times as fast as it was recorded the bag is played."),
        argument("play", "true", "Play the bag; false leaves that to `ros2 bag play --clock`.",
                 BOOLEAN),
        argument("reliability", "reliable", "Of the evaluator's subscriptions to the bag's "
                 "topics; best_effort where `ros2 bag play` publishes them so.",
                 ["reliable", "best_effort"]),
        argument("end_after_s", "5.0",
                 "Seconds of silence after which the evaluation is complete."),
        large_images(),
        OpaqueFunction(function=_nodes),
    ])
    # fmt: on


def _nodes(context: LaunchContext) -> list[Node]:
    arguments = context.launch_configurations
    if not os.path.exists(arguments["bag"]):
        raise FileNotFoundError(f"bag:={arguments['bag']} does not exist")
    image, camera_info = input_topics(arguments["input_image"], arguments["input_camera_info"])
    every = int(arguments["keyframe_every"])
    policy = {"keyframe_policy": "every", "keyframe_every": every} if every else {}
    perception = perception_node(
        arguments,
        ("model", "device", "engine", "image_transport"),
        policy | {"use_sim_time": True, "autostart": True},
        [("~/input/image", image), ("~/input/camera_info", camera_info)],
        on_exit=end_all,
    )
    suffix = "/compressed" if arguments["image_transport"] == "compressed" else ""
    evaluator = _evaluator(arguments, image, suffix, camera_info)
    if arguments["play"] == "false":
        return [perception, evaluator]
    return [perception, evaluator, _player(arguments, image + suffix, camera_info)]


def _evaluator(arguments: dict[str, str], image: str, suffix: str, camera_info: str) -> Node:
    truths = {own: arguments[name] for own, name in TRUTHS.items()}
    parameters: dict[str, object] = {key: text(arguments[key]) for key in TEXTS}
    # The one that the node has, wherever it is said.
    model = arguments["model"] or file_parameter(arguments, "model", "mila_street")
    parameters |= {"model": text(str(model))}
    parameters |= {key: float(arguments[key]) for key in NUMBERS}
    parameters |= {"transport": arguments["image_transport"], "use_sim_time": True}
    for topic in (image + suffix, camera_info, *truths.values()):
        name = f"qos_overrides.{posixpath.join('/', topic)}.subscription.reliability"
        parameters[name] = arguments["reliability"]
    return Node(
        package="mila_ros",
        executable="evaluator",
        parameters=[parameters],
        remappings=[("image_raw", image), ("camera_info", camera_info), *truths.items()],
        output="screen",
        on_exit=end_all,
    )


def _player(arguments: dict[str, str], image: str, camera_info: str) -> Node:
    depth = arguments["depth_truth"]
    truths = [arguments[name] for own, name in TRUTHS.items() if own != UNUSED[depth]]
    parameters = {
        "bag": text(arguments["bag"]),
        "rate": float(arguments["rate"]),
        # Not all topics: a recording may hold another node's answers too.
        # The evaluator reads /tf_static from the bag itself.
        "topics": [image, camera_info, *truths],
        "wait_for": [f"{image}:2", f"{camera_info}:{2 if depth == 'points' else 1}"],
        # Until the subscribers know the publishers, too.
        "start_delay": 2.0,
    }
    return Node(
        package="mila_ros",
        executable="player",
        parameters=[parameters],
        output="screen",
        on_exit=end_all_after_failure,
    )
