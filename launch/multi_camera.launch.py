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
    large_images,
    perception_node,
    share,
    shared_argument,
    text,
)


def generate_launch_description() -> LaunchDescription:
    # fmt: off
    return LaunchDescription([
        argument("cameras", "front,left", "Names of the cameras, with commas between them."),
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
    cameras = [name.strip() for name in arguments["cameras"].split(",")]
    perception = perception_node(
        arguments,
        ("model", "device", "engine"),
        {"cameras": cameras, "use_sim_time": arguments["use_sim_time"] == "true"},
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
