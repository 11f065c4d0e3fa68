# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a clip, video, webcam or bag as a camera, and run the perception node on it.

ros2 launch mila_ros demo.launch.py rviz:=true
"""

from __future__ import annotations

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("mila_ros")
HANDED_ON = ("model", "device", "params_file", "rviz")


def generate_launch_description() -> LaunchDescription:
    argument = DeclareLaunchArgument
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(f"{SHARE}/launch/perception.launch.py"),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in HANDED_ON],
    )
    camera = Node(
        package="mila_ros",
        executable="camera",
        parameters=[
            {
                "source": ParameterValue(LaunchConfiguration("source"), value_type=str),
                "topic": ParameterValue(LaunchConfiguration("topic"), value_type=str),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                # Nothing is shown to nobody while the model loads.
                "wait_for_subscribers": 1,
            }
        ],
        output="screen",
        on_exit=_shut_down,
    )
    return LaunchDescription(
        [
            argument(
                "source",
                default_value=f"{SHARE}/samples/street",
                description="Folder of images, clip folder, video, webcam (/dev/video0) or bag.",
            ),
            argument("topic", default_value="", description="Image topic of a bag with several."),
            argument(
                "rate", default_value="0.0", description="Frames a second; 0: the source's own."
            ),
            argument(
                "loop",
                default_value="true",
                choices=["true", "false"],
                description="Start again at the end of the source; false: end with it.",
            ),
            argument(
                "model", default_value="", description="Name of a model or path of its folder."
            ),
            argument("device", default_value="", description="auto, cpu, cuda or cuda:N."),
            argument(
                "params_file",
                default_value=f"{SHARE}/config/perception.yaml",
                description="YAML file with the parameters of the perception node.",
            ),
            argument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="Show input and outputs in RViz.",
            ),
            # First: it sets the environment for large images.
            perception,
            camera,
        ]
    )


def _shut_down(_: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """End with the source; a second shutdown event is an error to launch_ros."""
    if context.is_shutdown:
        return None
    return EmitEvent(event=Shutdown(reason="the source has ended"))
