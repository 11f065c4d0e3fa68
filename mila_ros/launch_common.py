# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: arguments, the perception node, and how a run ends.

``launch`` and ``launch_ros`` come with a ROS 2 distribution; they are imported where they are used.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mila_ros.paths import profiles_variable

if TYPE_CHECKING:
    from launch import LaunchContext
    from launch.actions import DeclareLaunchArgument, EmitEvent, SetEnvironmentVariable
    from launch.events.process import ProcessExited
    from launch_ros.actions import LifecycleNode
    from launch_ros.parameter_descriptions import ParameterValue

BOOLEAN = ("true", "false")

# The sections of a parameter file that the node /mila reads.
_OWN_SECTIONS = ("/**", "/*", "mila", "/mila")

# Arguments of several launch files: default, description, and the values that may be chosen.
SHARED: dict[str, tuple[str, str, Sequence[str]]] = {
    "input_camera_info": (
        "", "Topic of the calibration; empty: camera_info beside the images.", (),
    ),
    "model": ("", "Name of a model or path of its folder; empty: as in params_file.", ()),
    "device": ("", "auto, cpu, cuda or cuda:N; empty: as in params_file.", ()),
    "engine": ("", "auto, eager, openvino or another engine; empty: as in params_file.", ()),
    "use_sim_time": (
        "false", "Take the time from /clock, as with a bag played with --clock.", BOOLEAN,
    ),
    "namespace": ("", "Namespace of the node.", ()),
    "image_transport": (
        "", "How the images come; empty: as in params_file.", ("", "raw", "compressed"),
    ),
    "autostart": (
        "", "Configure and activate at the start; empty: as in params_file.", ("", *BOOLEAN),
    ),
    "log_level": (
        "info", "Least severe messages that the node logs.",
        ("debug", "info", "warn", "error", "fatal"),
    ),
    "rviz": ("false", "Show input and outputs in RViz.", BOOLEAN),
}  # fmt: skip


def share() -> str:
    """The folder with the package's configuration, launch files, models and samples."""
    from ament_index_python.packages import get_package_share_directory

    return str(get_package_share_directory("mila_ros"))


def argument(
    name: str, default: str | None, description: str, choices: Sequence[str] = ()
) -> DeclareLaunchArgument:
    """A launch argument; without a default it must be given."""
    from launch.actions import DeclareLaunchArgument

    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=list(choices) or None
    )


def shared_argument(name: str) -> DeclareLaunchArgument:
    """One of :data:`SHARED`."""
    return argument(name, *SHARED[name])


def large_images() -> SetEnvironmentVariable:
    """Let Fast DDS carry large images, unless the user has set a profile of their own."""
    from launch.actions import SetEnvironmentVariable
    from launch.substitutions import EnvironmentVariable

    name, ours = profiles_variable(os.environ), f"{share()}/config/fastdds.xml"
    return SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=ours))


def text(value: str) -> ParameterValue:
    """A parameter that stays text, whatever number it may look like."""
    from launch_ros.parameter_descriptions import ParameterValue

    return ParameterValue(value, value_type=str)


def input_topics(image: str, camera_info: str = "") -> tuple[str, str]:
    """The topics of the images, without /compressed, and of the calibration, usually beside it."""
    return image, camera_info or posixpath.join(posixpath.dirname(image), "camera_info")


def perception_node(
    arguments: Mapping[str, str],
    handed_on: Sequence[str],
    parameters: Mapping[str, object],
    remappings: Sequence[tuple[str, str]],
    **options: Any,
) -> LifecycleNode:
    """The perception node.

    Args:
        arguments: Of the launch file; autostart and use_sim_time are handed on where it has them.
        handed_on: Those that are parameters of the node too, and text. One left empty does not hide
            what the user's own params_file says.
        parameters: More of them.
        remappings: Pairs of the node's name of a topic, and of the graph's.
        options: Of ``launch_ros.actions.LifecycleNode``.

    Raises:
        FileNotFoundError: The argument params_file names no file.
    """
    from launch_ros.actions import LifecycleNode

    file = _params_file(arguments)
    given: dict[str, object] = {key: text(arguments[key]) for key in handed_on if arguments[key]}
    if arguments.get("use_sim_time") == "true":
        given["use_sim_time"] = True
    if arguments.get("autostart"):
        given["autostart"] = arguments["autostart"] == "true"
    options = {"name": "mila", "namespace": ""} | options
    if "log_level" in arguments:
        logger = posixpath.join(options["namespace"], options["name"]).strip("/").replace("/", ".")
        options["ros_arguments"] = ["--log-level", f"{logger}:={arguments['log_level']}"]
    return LifecycleNode(
        package="mila_ros",
        executable="perception",
        parameters=[file, given | {**parameters}],
        remappings=list(remappings),
        output="screen",
        **options,
    )


def file_parameter(arguments: Mapping[str, str], name: str, default: Any) -> Any:
    """What params_file says of a parameter of the node ``/mila``, for who needs it beside the node.

    Raises:
        FileNotFoundError: The argument params_file names no file.
    """
    import yaml  # launch_ros needs it too

    value = default
    with open(_params_file(arguments), encoding="utf-8") as file:
        sections = yaml.safe_load(file)
    for node, section in (sections or {}).items():
        if node in _OWN_SECTIONS:
            value = (section or {}).get("ros__parameters", {}).get(name, value)
    return value


def _params_file(arguments: Mapping[str, str]) -> str:
    file = arguments["params_file"]
    if not os.path.isfile(file):
        raise FileNotFoundError(
            f"params_file:={file} is no file; give the path of a YAML file with the node's "
            "parameters"
        )
    return file


def end_all(event: ProcessExited, context: LaunchContext) -> list[EmitEvent]:
    """``on_exit`` of a node with which everything ends."""
    from launch.actions import EmitEvent
    from launch.events import Shutdown

    # A second shutdown event is an error to launch_ros.
    if context.is_shutdown:
        return []
    return [EmitEvent(event=Shutdown(reason=f"{event.process_name} has ended"))]


def end_all_after_failure(event: ProcessExited, context: LaunchContext) -> list[EmitEvent]:
    """``on_exit`` of a node that may end, but not fail."""
    return end_all(event, context) if event.returncode else []
