# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the perception node on a camera's topic, with RViz if asked.

ros2 launch mila_ros perception.launch.py input_image:=/front/image_raw rviz:=true
"""

from __future__ import annotations

import os
import posixpath

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("mila_ros")
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"

# What config/perception.rviz shows.
RVIZ_INPUT = "/image_raw"
RVIZ_NODE = "/mila"
RVIZ_OUTPUTS = ("segmentation/overlay", "depth/image", "motion/mask", "depth/points")


def generate_launch_description() -> LaunchDescription:
    argument = DeclareLaunchArgument
    boolean = ["true", "false"]
    return LaunchDescription(
        [
            argument("namespace", default_value="", description="Namespace of the node."),
            argument("name", default_value="mila", description="Name of the node and its topics."),
            argument(
                "input_image",
                default_value="image_raw",
                description="Topic of the images, without /compressed.",
            ),
            argument(
                "input_camera_info",
                default_value="",
                description="Topic of the calibration; empty: camera_info beside the images.",
            ),
            argument(
                "params_file",
                default_value=f"{SHARE}/config/perception.yaml",
                description="YAML file with the parameters of the node.",
            ),
            argument(
                "model",
                default_value="",
                description="Name of a model or path of its folder; empty: as in params_file.",
            ),
            argument(
                "device",
                default_value="",
                description="auto, cpu, cuda or cuda:N; empty: as in params_file.",
            ),
            argument(
                "image_transport",
                default_value="",
                choices=["", "raw", "compressed"],
                description="How the images come; empty: as in params_file.",
            ),
            argument(
                "autostart",
                default_value="",
                choices=["", *boolean],
                description="Configure and activate at the start; empty: as in params_file.",
            ),
            argument(
                "use_sim_time",
                default_value="false",
                choices=boolean,
                description="Take the time from /clock, as with a bag played with --clock.",
            ),
            argument(
                "log_level",
                default_value="info",
                choices=["debug", "info", "warn", "error", "fatal"],
                description="Least severe messages that the node logs.",
            ),
            argument(
                "rviz",
                default_value="false",
                choices=boolean,
                description="Show input and outputs in RViz.",
            ),
            # Not for this node alone: without it, what a camera driver sends would be lost.
            SetEnvironmentVariable(
                PROFILES,
                EnvironmentVariable(PROFILES, default_value=f"{SHARE}/config/fastdds.xml"),
            ),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[Node]:
    arguments = context.launch_configurations
    if not os.path.isfile(arguments["params_file"]):
        raise FileNotFoundError(
            f"params_file:={arguments['params_file']} is no file; give the path of a YAML file "
            "with the node's parameters"
        )
    name = arguments["name"]
    namespace = posixpath.join("/", arguments.get("ros_namespace", ""), arguments["namespace"])
    image = arguments["input_image"]
    camera_info = arguments["input_camera_info"] or posixpath.join(
        posixpath.dirname(image), "camera_info"
    )
    sim_time = {"use_sim_time": True} if arguments["use_sim_time"] == "true" else {}
    logger = posixpath.join(namespace, name).strip("/").replace("/", ".")

    # An argument left empty must not hide what the user's own params_file says.
    given: dict[str, object] = {
        key: ParameterValue(arguments[key], value_type=str)
        for key in ("model", "device", "image_transport")
        if arguments[key]
    }
    if arguments["autostart"]:
        given["autostart"] = arguments["autostart"] == "true"

    perception = LifecycleNode(
        package="mila_ros",
        executable="perception",
        name=name,
        namespace=namespace,
        parameters=[arguments["params_file"], given | sim_time],
        remappings=[("~/input/image", image), ("~/input/camera_info", camera_info)],
        ros_arguments=["--log-level", f"{logger}:={arguments['log_level']}"],
        output="screen",
    )
    if arguments["rviz"] == "false":
        return [perception]
    node = posixpath.join(namespace, name)
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", f"{SHARE}/config/perception.rviz"],
        parameters=[sim_time],
        remappings=[
            (RVIZ_INPUT, posixpath.join(namespace, image)),
            *((f"{RVIZ_NODE}/{topic}", f"{node}/{topic}") for topic in RVIZ_OUTPUTS),
        ],
        output="screen",
    )
    # RViz first: where it is not installed, launch gives up and would leave the node behind.
    return [rviz, perception]
