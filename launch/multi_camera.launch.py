# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One perception node, and one network in memory, for several cameras.

ros2 launch mila_ros multi_camera.launch.py cameras:=front,left,right

Camera NAME publishes /NAME/image_raw and /NAME/camera_info, or what input_image says; the answers
are below /mila/NAME/.
"""

from __future__ import annotations

from collections.abc import Mapping

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from mila_ros.launch_common import (
    argument,
    file_parameter,
    input_topics,
    large_images,
    perception_node,
    share,
    shared_argument,
    text,
)

CAMERA = "{camera}"


def generate_launch_description() -> LaunchDescription:
    # fmt: off
    return LaunchDescription([
        argument("cameras", "", "Names of the cameras, with commas between them; empty: as in "
                 "params_file."),
        argument("params_file", f"{share()}/config/multi_camera.yaml",
                 "YAML file with the parameters of the node."),
        shared_argument("namespace"),
        argument("input_image", f"/{CAMERA}/image_raw", "Topic of each camera's images, without "
                 f"/compressed; {CAMERA} is its name. The calibration is camera_info beside it."),
        shared_argument("image_transport"),
        shared_argument("model"),
        shared_argument("device"),
        shared_argument("engine"),
        shared_argument("autostart"),
        shared_argument("use_sim_time"),
        shared_argument("log_level"),
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
    image = arguments["input_image"]
    if CAMERA not in image and len(cameras) > 1:
        raise ValueError(f"input_image:={image} is the same topic for all; put {CAMERA} in it")
    topics = {camera: input_topics(image.replace(CAMERA, camera)) for camera in cameras}
    perception = perception_node(
        arguments,
        ("model", "device", "engine", "image_transport"),
        {"cameras": cameras},
        [
            (f"~/{camera}/input/{own}", theirs)
            for camera in cameras
            for own, theirs in zip(("image", "camera_info"), topics[camera], strict=True)
        ],
        namespace=arguments["namespace"],
    )
    players = [
        _player(camera, topics[camera], arguments) for camera in cameras if arguments["source"]
    ]
    return [perception, *players]


def _player(camera: str, topics: tuple[str, str], arguments: Mapping[str, str]) -> Node:
    return Node(
        package="mila_ros",
        executable="camera",
        namespace=camera,
        parameters=[
            {
                "source": text(arguments["source"]),
                "frame_id": f"{camera}_optical",
                "loop": True,
                "wait_for_subscribers": 1,
                "transport": text(arguments["image_transport"] or "raw"),
            }
        ],
        remappings=[("image_raw", topics[0]), ("camera_info", topics[1])],
        output="screen",
    )
