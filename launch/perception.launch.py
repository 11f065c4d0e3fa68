# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the perception node on a camera's topic, with RViz if asked.

ros2 launch mila_ros perception.launch.py input_image:=/front/image_raw rviz:=true
"""

from __future__ import annotations

import posixpath

from launch import LaunchContext, LaunchDescription
from launch.actions import LogInfo, OpaqueFunction
from launch_ros.actions import Node

from mila_ros.launch_common import (
    argument,
    file_parameter,
    input_topics,
    large_images,
    perception_node,
    share,
    shared_argument,
)

# What config/perception.rviz shows.
RVIZ_INPUT = "/image_raw"
RVIZ_NODE = "/mila"
RVIZ_OUTPUTS = ("segmentation/overlay", "depth/image", "motion/mask", "depth/points")


def generate_launch_description() -> LaunchDescription:
    # fmt: off
    return LaunchDescription([
        shared_argument("namespace"),
        argument("name", "mila", "Name of the node and its topics."),
        argument("input_image", "image_raw", "Topic of the images, without /compressed."),
        shared_argument("input_camera_info"),
        argument("params_file", f"{share()}/config/perception.yaml",
                 "YAML file with the parameters of the node."),
        shared_argument("model"),
        shared_argument("device"),
        shared_argument("engine"),
        shared_argument("image_transport"),
        shared_argument("autostart"),
        shared_argument("use_sim_time"),
        shared_argument("log_level"),
        shared_argument("rviz"),
        argument("rviz_frame", "", "Fixed frame of RViz, such as the images' frame_id; empty: "
                 "camera_optical."),
        # Not for this node alone: without it, what a camera driver sends would be lost.
        large_images(),
        OpaqueFunction(function=_nodes),
    ])
    # fmt: on


def _nodes(context: LaunchContext) -> list[Node | LogInfo]:
    arguments = context.launch_configurations
    name = arguments["name"]
    namespace = posixpath.join("/", arguments.get("ros_namespace", ""), arguments["namespace"])
    image, camera_info = input_topics(arguments["input_image"], arguments["input_camera_info"])
    sim_time = {"use_sim_time": True} if arguments["use_sim_time"] == "true" else {}
    perception = perception_node(
        arguments,
        ("model", "device", "engine", "image_transport"),
        {},
        [("~/input/image", image), ("~/input/camera_info", camera_info)],
        name=name,
        namespace=namespace,
    )
    started: list[Node | LogInfo] = [perception]
    if cameras := [camera for camera in file_parameter(arguments, "cameras", []) if camera]:
        started.append(
            LogInfo(
                msg=f"params_file names the cameras {', '.join(cameras)}, and input_image is that "
                "of a single one without a name: multi_camera.launch.py takes theirs"
            )
        )
    if arguments["rviz"] == "false":
        return started
    node = posixpath.join(namespace, name)
    frame = arguments["rviz_frame"]
    fixed_frame = ["--fixed-frame", frame] if frame else []
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", f"{share()}/config/perception.rviz", *fixed_frame],
        parameters=[sim_time],
        remappings=[
            (RVIZ_INPUT, posixpath.join(namespace, image)),
            *((f"{RVIZ_NODE}/{topic}", f"{node}/{topic}") for topic in RVIZ_OUTPUTS),
        ],
        output="screen",
    )
    # RViz first: where it is not installed, launch gives up and would leave the node behind.
    return [rviz, *started]
