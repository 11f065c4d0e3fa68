# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the perception node on a camera's topic, with RViz if asked.

ros2 launch mila_ros perception.launch.py input_image:=/front/image_raw rviz:=true
"""

from __future__ import annotations

import posixpath

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from mila_ros.launch_common import (
    BOOLEAN,
    argument,
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
        argument("namespace", "", "Namespace of the node."),
        argument("name", "mila", "Name of the node and its topics."),
        argument("input_image", "image_raw", "Topic of the images, without /compressed."),
        shared_argument("input_camera_info"),
        argument("params_file", f"{share()}/config/perception.yaml",
                 "YAML file with the parameters of the node."),
        shared_argument("model"),
        shared_argument("device"),
        shared_argument("engine"),
        argument("image_transport", "", "How the images come; empty: as in params_file.",
                 ["", "raw", "compressed"]),
        argument("autostart", "", "Configure and activate at the start; empty: as in params_file.",
                 ["", *BOOLEAN]),
        shared_argument("use_sim_time"),
        argument("log_level", "info", "Least severe messages that the node logs.",
                 ["debug", "info", "warn", "error", "fatal"]),
        shared_argument("rviz"),
        argument("rviz_frame", "", "Fixed frame of RViz, such as the images' frame_id; empty: "
                 "camera_optical."),
        # Not for this node alone: without it, what a camera driver sends would be lost.
        large_images(),
        OpaqueFunction(function=_nodes),
    ])
    # fmt: on


def _nodes(context: LaunchContext) -> list[Node]:
    arguments = context.launch_configurations
    name = arguments["name"]
    namespace = posixpath.join("/", arguments.get("ros_namespace", ""), arguments["namespace"])
    image, camera_info = input_topics(arguments)
    sim_time = {"use_sim_time": True} if arguments["use_sim_time"] == "true" else {}
    start = {"autostart": arguments["autostart"] == "true"} if arguments["autostart"] else {}
    logger = posixpath.join(namespace, name).strip("/").replace("/", ".")
    perception = perception_node(
        arguments,
        ("model", "device", "engine", "image_transport"),
        start | sim_time,
        [("~/input/image", image), ("~/input/camera_info", camera_info)],
        name=name,
        namespace=namespace,
        ros_arguments=["--log-level", f"{logger}:={arguments['log_level']}"],
    )
    if arguments["rviz"] == "false":
        return [perception]
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
    return [rviz, perception]
