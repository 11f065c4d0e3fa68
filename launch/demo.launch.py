# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a clip, video, webcam or bag as a camera, and run the perception node on it.

ros2 launch mila_ros demo.launch.py rviz:=true
"""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from mila_ros.launch_common import BOOLEAN, argument, end_all, share, shared_argument

HANDED_ON = ("model", "device", "engine", "params_file", "rviz")
PLAYED = {"source": str, "topic": str, "rate": float, "loop": bool}


def generate_launch_description() -> LaunchDescription:
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(f"{share()}/launch/perception.launch.py"),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in HANDED_ON],
    )
    played: dict[str, object] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in PLAYED.items()
    }
    camera = Node(
        package="mila_ros",
        executable="camera",
        # Nothing is shown to nobody while the model loads.
        parameters=[played | {"wait_for_subscribers": 1}],
        output="screen",
        on_exit=end_all,
    )
    # fmt: off
    return LaunchDescription([
        argument("source", f"{share()}/samples/street",
                 "Folder of images, clip folder, video, webcam (/dev/video0) or bag."),
        argument("topic", "", "Image topic of a bag with several."),
        argument("rate", "0.0", "Frames a second; 0: the source's own."),
        argument("loop", "true", "Start again at the end of the source; false: end with it.",
                 BOOLEAN),
        argument("model", "", "Name of a model or path of its folder."),
        argument("device", "", "auto, cpu, cuda or cuda:N."),
        argument("engine", "", "auto, eager, openvino or another engine."),
        argument("params_file", f"{share()}/config/perception.yaml",
                 "YAML file with the parameters of the perception node."),
        shared_argument("rviz"),
        # First: it sets the environment for large images.
        perception,
        camera,
    ])
    # fmt: on
