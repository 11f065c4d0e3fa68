# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One perception node, and one network in memory, for several cameras.

ros2 launch mila_ros multi_camera.launch.py cameras:=front,left,right

Camera NAME publishes /NAME/image_raw and /NAME/camera_info; the answers are below /mila/NAME/.
"""

from __future__ import annotations

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("mila_ros")
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


def generate_launch_description() -> LaunchDescription:
    argument = DeclareLaunchArgument
    return LaunchDescription(
        [
            argument(
                "cameras",
                default_value="front,left",
                description="Names of the cameras, with commas between them.",
            ),
            argument(
                "params_file",
                default_value=f"{SHARE}/config/multi_camera.yaml",
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
                "use_sim_time",
                default_value="false",
                choices=["true", "false"],
                description="Take the time from /clock, as with a bag played with --clock.",
            ),
            argument(
                "source",
                default_value="",
                description="Clip, video or bag to play as each of the cameras, to try it; empty: "
                "there are cameras.",
            ),
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
        raise FileNotFoundError(f"params_file:={arguments['params_file']} is no file")
    cameras = [name.strip() for name in arguments["cameras"].split(",")]
    given: dict[str, object] = {
        key: ParameterValue(arguments[key], value_type=str)
        for key in ("model", "device")
        if arguments[key]
    }
    perception = LifecycleNode(
        package="mila_ros",
        executable="perception",
        name="mila",
        namespace="",
        parameters=[
            arguments["params_file"],
            given | {"cameras": cameras, "use_sim_time": arguments["use_sim_time"] == "true"},
        ],
        remappings=[
            (f"~/{camera}/input/{own}", f"/{camera}/{theirs}")
            for camera in cameras
            for own, theirs in (("image", "image_raw"), ("camera_info", "camera_info"))
        ],
        output="screen",
    )
    if not arguments["source"]:
        return [perception]
    players = [
        Node(
            package="mila_ros",
            executable="camera",
            namespace=camera,
            parameters=[
                {
                    "source": ParameterValue(arguments["source"], value_type=str),
                    "frame_id": f"{camera}_optical",
                    "loop": True,
                    "wait_for_subscribers": 1,
                }
            ],
            output="screen",
        )
        for camera in cameras
    ]
    return [perception, *players]
