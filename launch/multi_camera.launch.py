# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One perception node, and one network in memory, for several cameras.

ros2 launch mila_ros multi_camera.launch.py cameras:=front,left,right

Camera NAME publishes /NAME/image_raw and /NAME/camera_info; the answers are below /mila/NAME/.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from mila_ros.launch_common import (
    argument,
    file_parameter,
    large_images,
    perception_node,
    share,
    shared_argument,
    text,
)


def generate_launch_description() -> LaunchDescription:
    # fmt: off
    return LaunchDescription([
        argument("cameras", "", "Names of the cameras, with commas between them; empty: as in "
                 "params_file."),
        argument("params_file", f"{share()}/config/multi_camera.yaml",
                 "YAML file with the parameters of the node."),
        shared_argument("model"),
        shared_argument("device"),
        shared_argument("engine"),
        shared_argument("use_sim_time"),
        argument("source", "", "Clip, video or bag to play as each of the cameras, to try it; "
                 "empty: there are cameras."),
        large_images(),
        OpaqueFunction(function=_nodes),
    ])
    # fmt: on


def _nodes(context: LaunchContext) -> list[Node]:
    arguments = context.launch_configurations
    given = [name.strip() for name in arguments["cameras"].split(",") if name.strip()]
    cameras = given or [name for name in file_parameter(arguments, "cameras", []) if name]
    if not cameras:
        raise ValueError(
            "no cameras are named: give cameras:=front,left, or `cameras` in the params_file "
            f"{arguments['params_file']}"
        )
    sim_time = {"use_sim_time": True} if arguments["use_sim_time"] == "true" else {}
    perception = perception_node(
        arguments,
        ("model", "device", "engine"),
        {"cameras": cameras} | sim_time,
        [
            (f"~/{camera}/input/{own}", f"/{camera}/{theirs}")
            for camera in cameras
            for own, theirs in (("image", "image_raw"), ("camera_info", "camera_info"))
        ],
    )
    players = [_player(camera, arguments["source"]) for camera in cameras if arguments["source"]]
    return [perception, *players]


def _player(camera: str, source: str) -> Node:
    return Node(
        package="mila_ros",
        executable="camera",
        namespace=camera,
        parameters=[
            {
                "source": text(source),
                "frame_id": f"{camera}_optical",
                "loop": True,
                "wait_for_subscribers": 1,
            }
        ],
        output="screen",
    )
