# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the perception node, written down once.

The table declares the parameters, the settings dataclass reads them, and `markdown` is the
documentation. ``config/perception.yaml`` repeats names and defaults; a test holds the two
together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from mila_ros.errors import MilaError

Value = bool | int | float | str | list[str]


class ParameterError(MilaError):
    """A parameter that the node cannot work with."""


class Change(Enum):
    """When a parameter may be set."""

    ALWAYS = "at any time"
    UNCONFIGURED = "while unconfigured"
    START = "at the start"


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter; minimum and maximum are inclusive, choices are all there are."""

    name: str
    default: Value
    description: str
    change: Change = Change.ALWAYS
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The name of its field in `Settings`."""
        return self.name.replace(".", "_")

    @property
    def kind(self) -> str:
        """The type as ``ros2 param describe`` spells it."""
        names = {bool: "boolean", int: "integer", float: "double", str: "string"}
        return names.get(type(self.default), "string array")

    @property
    def rule(self) -> str:
        """What values it takes, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.minimum is not None:
            return f"a value ({self.kind}) from {self.minimum} to {self.maximum}"
        return f"a value ({self.kind})"

    def descriptor(self) -> ParameterDescriptor:
        """The ROS descriptor, with the range that rclpy then enforces."""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=self.rule if self.choices else "",
            read_only=self.change is Change.START,
        )
        bounds = {"from_value": self.minimum, "to_value": self.maximum}
        if isinstance(self.minimum, float):
            descriptor.floating_point_range = [FloatingPointRange(**bounds)]
        elif self.minimum is not None:
            descriptor.integer_range = [IntegerRange(**bounds, step=1)]
        return descriptor


PARAMETERS = (
    ParameterSpec(
        "model",
        "mila_street",
        "Model bundle: a name under share/mila_ros/models or the path of a folder with a "
        "model.json.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "device",
        "auto",
        "Where the network runs: auto (CUDA where there is one, else the CPU), cpu, cuda or "
        "cuda:N. With cuda the node refuses to configure where there is none.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "precision",
        "auto",
        "Number format of the network: fp32, bf16, or auto, which on a CPU measures when the model "
        "is loaded and takes bf16 where it is clearly faster.",
        Change.UNCONFIGURED,
        choices=("auto", "fp32", "bf16"),
    ),
    ParameterSpec(
        "cpu_threads",
        0,
        "Threads of the network on the CPU; 0 leaves the choice to torch.",
        Change.UNCONFIGURED,
        0,
        1024,
    ),
    ParameterSpec(
        "cameras",
        [""],
        "Names of the cameras, each with topics under ~/NAME/; one empty name is a single camera "
        "with topics directly under ~/.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "image_transport",
        "raw",
        "raw subscribes to sensor_msgs/Image on ~/input/image, compressed to "
        "sensor_msgs/CompressedImage (JPEG or PNG) on ~/input/image/compressed.",
        Change.UNCONFIGURED,
        choices=("raw", "compressed"),
    ),
    ParameterSpec(
        "autostart",
        True,
        "Configure and activate when the node starts; false leaves that to a lifecycle manager.",
        Change.START,
    ),
    ParameterSpec(
        "keyframe_policy",
        "timer",
        "When the slow network runs: timer (every keyframe_period_s on the ROS clock) or every "
        "(each keyframe_every-th frame).",
        choices=("timer", "every"),
    ),
    ParameterSpec(
        "keyframe_period_s",
        0.5,
        "Seconds between a camera's keyframes with the policy timer.",
        minimum=0.02,
        maximum=60.0,
    ),
    ParameterSpec(
        "keyframe_every",
        5,
        "Frames from one keyframe of a camera to the next with the policy every.",
        minimum=1,
        maximum=1000,
    ),
    ParameterSpec(
        "keyframe_max_age_s",
        2.0,
        "A frame whose keyframe is older than this is made a keyframe whatever the policy says.",
        minimum=0.02,
        maximum=600.0,
    ),
    ParameterSpec(
        "max_gap_s",
        1.0,
        "A longer gap between the stamps of two frames starts the camera's stream afresh.",
        Change.UNCONFIGURED,
        0.01,
        600.0,
    ),
    ParameterSpec(
        "max_image_pixels",
        50_000_000,
        "Larger images, raw or once decoded, are refused.",
        minimum=1,
        maximum=1_000_000_000,
    ),
    ParameterSpec(
        "image_timeout_s",
        3.0,
        "After so long without an image the node says which topic it listens to, who publishes "
        "there and with what QoS.",
        minimum=0.1,
        maximum=3600.0,
    ),
    ParameterSpec(
        "segmentation.overlay_alpha",
        0.5,
        "Weight of the class colours in ~/segmentation/overlay, 0 being the image alone.",
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "depth.focal_length_px",
        0.0,
        "Focal length (fx) of the input images in pixels, which scales the depth; 0 takes it from "
        "~/input/camera_info, and the model's assumed field of view where that is missing too.",
        minimum=0.0,
        maximum=1e6,
    ),
    ParameterSpec(
        "diagnostics.period_s",
        1.0,
        "Seconds between two messages on /diagnostics.",
        Change.START,
        0.05,
        60.0,
    ),
)

_BY_NAME = {spec.name: spec for spec in PARAMETERS}
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
_CAMERA = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
RESERVED_CAMERAS = ("input", "segmentation", "depth", "motion", "keyframe", "debug")


@dataclass(frozen=True)
class Settings:
    """The values of all parameters; a dot in a parameter's name is an underscore here."""

    model: str
    device: str
    precision: str
    cpu_threads: int
    cameras: tuple[str, ...]
    image_transport: str
    autostart: bool
    keyframe_policy: str
    keyframe_period_s: float
    keyframe_every: int
    keyframe_max_age_s: float
    max_gap_s: float
    max_image_pixels: int
    image_timeout_s: float
    segmentation_overlay_alpha: float
    depth_focal_length_px: float
    diagnostics_period_s: float


def declare(node: Node, specs: Iterable[ParameterSpec] = PARAMETERS) -> None:
    """Declare every parameter of the table on the node.

    Raises:
        ParameterError: a value given at the start has another type or is out of range.
    """
    for spec in specs:
        try:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            hint = " (write 1.0, not 1)" if spec.kind == "double" else ""
            raise ParameterError(
                f"The value given to the parameter {spec.name} is refused: "
                f"it takes {spec.rule}{hint}."
            ) from error


def read(node: Node) -> Settings:
    """Return the node's parameters as they are now.

    Raises:
        ParameterError: a value that the type and range do not rule out, but the node does.
    """
    values = {spec.name: node.get_parameter(spec.name).value for spec in PARAMETERS}
    problem = _problem(values)
    if problem:
        raise ParameterError(problem)
    values["cameras"] = tuple(values["cameras"] or [""])
    return Settings(**{spec.field: values[spec.name] for spec in PARAMETERS})


def refusal(node: Node, changes: Iterable[Parameter], *, is_unconfigured: bool) -> str | None:
    """Return why these changes of parameters are refused as a whole, None if they are not.

    Only what a change itself brings about is held against it: with a wrong value from the start
    still in place, others can be corrected first.
    """
    values = {spec.name: node.get_parameter(spec.name).value for spec in PARAMETERS}
    before = _problem(values)
    for change in changes:
        spec = _BY_NAME.get(change.name)
        if spec is None:
            continue
        if spec.change is Change.UNCONFIGURED and not is_unconfigured:
            return (
                f"{spec.name} is read when the node is configured: deactivate and clean up "
                "first, then set it and configure again."
            )
        values[change.name] = change.value
    problem = _problem(values)
    return None if problem == before else problem


def markdown(specs: Iterable[ParameterSpec] = PARAMETERS) -> str:
    """Return the table as Markdown, for the documentation."""
    lines = [
        "| Parameter | Type | Default | Values | May be set | Meaning |",
        "|---|---|---|---|---|---|",
    ]
    for spec in specs:
        default = str(spec.default).lower() if isinstance(spec.default, bool) else spec.default
        values = ", ".join(spec.choices)
        if spec.minimum is not None:
            values = f"{spec.minimum} to {spec.maximum}"
        lines.append(
            f"| `{spec.name}` | {spec.kind} | `{default}` | {values} | {spec.change.value} | "
            f"{spec.description} |"
        )
    return "\n".join(lines) + "\n"


def _problem(values: Mapping[str, Any]) -> str | None:
    """The first thing wrong with the values that types and ranges do not rule out."""
    for spec in PARAMETERS:
        value = values[spec.name]
        if spec.choices and value not in spec.choices:
            return f"The parameter {spec.name} is '{value}', but takes {spec.rule}."
    if not _DEVICE.fullmatch(values["device"]):
        return f"The parameter device is '{values['device']}', but takes auto, cpu, cuda or cuda:N."
    if values["keyframe_period_s"] > values["keyframe_max_age_s"]:
        return (
            f"The parameter keyframe_period_s is {values['keyframe_period_s']}, but must not be "
            f"over keyframe_max_age_s, which is {values['keyframe_max_age_s']}."
        )
    return _cameras_problem(values["cameras"])


def _cameras_problem(cameras: list[str]) -> str | None:
    if list(cameras) in ([], [""]):
        return None
    for camera in cameras:
        if not _CAMERA.fullmatch(camera) or camera in RESERVED_CAMERAS:
            return (
                f"The parameter cameras holds '{camera}', which cannot be a camera's name: use "
                "letters, digits and underscores, and none of "
                f"{', '.join(RESERVED_CAMERAS)}."
            )
    if len(set(cameras)) < len(cameras):
        return f"The parameter cameras names a camera twice: {', '.join(cameras)}."
    return None
