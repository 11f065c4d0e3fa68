# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the perception node: declared, read, and changes of them judged.

What there is and what it means is written in `parameter_table`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from mila_ros.errors import MilaError
from mila_ros.ros.parameter_spec import Change, ParameterSpec
from mila_ros.ros.parameter_table import PARAMETERS
from mila_ros.ros.topics import RESERVED_NAMES

_BY_NAME = {spec.name: spec for spec in PARAMETERS}
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
_CAMERA = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_IMAGE_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_IMAGE_SIZES = 4  # of which engines keep the graphs


class ParameterError(MilaError):
    """A parameter that the node cannot work with."""


@dataclass(frozen=True)
class Settings:
    """The values of all parameters; a dot in a parameter's name is an underscore here."""

    model: str
    device: str
    precision: str
    engine: str
    cpu_threads: int
    cameras: tuple[str, ...]
    image_sizes: tuple[str, ...]
    max_batch_size: int
    image_transport: str
    autostart: bool
    keyframe_policy: str
    keyframe_period_s: float
    keyframe_every: int
    keyframe_evidence: float
    keyframe_max_age_s: float
    keyframe_mode: str
    keyframe_threads: int
    max_gap_s: float
    max_image_pixels: int
    image_timeout_s: float
    segmentation_overlay_alpha: float
    depth_focal_length_px: float
    depth_encoding: str
    depth_points_stride: int
    diagnostics_period_s: float
    diagnostics_max_allowed_processing_time_ms: float
    diagnostics_max_acceptable_consecutive_delay_ms: float


def declare(node: Node, specs: Iterable[ParameterSpec] = PARAMETERS) -> None:
    """Declare every parameter of the table on the node.

    Raises:
        ParameterError: a value given at the start has another type or is out of range.
    """
    for spec in specs:
        try:
            node.declare_parameter(spec.name, spec.default, _descriptor(spec))
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
    for name in ("cameras", "image_sizes"):
        values[name] = tuple(values[name] or [""])
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


def _descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    """The ROS descriptor, with the range that rclpy then enforces."""
    descriptor = ParameterDescriptor(
        description=spec.description,
        additional_constraints=spec.rule if spec.choices else "",
        read_only=spec.change is Change.START,
    )
    bounds = {"from_value": spec.minimum, "to_value": spec.maximum}
    if isinstance(spec.minimum, float):
        descriptor.floating_point_range = [FloatingPointRange(**bounds)]
    elif spec.minimum is not None:
        descriptor.integer_range = [IntegerRange(**bounds, step=1)]
    return descriptor


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
    return _cameras_problem(values["cameras"]) or _image_sizes_problem(values)


def heights_and_widths(settings: Settings) -> list[tuple[int, int]]:
    """The sizes of ``image_sizes``; none where it is empty."""
    matches = filter(None, map(_IMAGE_SIZE.fullmatch, settings.image_sizes))
    return [(int(match[2]), int(match[1])) for match in matches]


def _image_sizes_problem(values: Mapping[str, Any]) -> str | None:
    sizes = values["image_sizes"]
    if list(sizes) in ([], [""]):
        return None
    if len(sizes) > _IMAGE_SIZES:
        return (
            f"The parameter image_sizes holds {len(sizes)} sizes, but takes at most {_IMAGE_SIZES}."
        )
    for text in sizes:
        match = _IMAGE_SIZE.fullmatch(text)
        if not match:
            return f"The parameter image_sizes holds '{text}', but takes sizes such as 1280x720."
        if int(match[1]) * int(match[2]) > values["max_image_pixels"]:
            return (
                f"The parameter image_sizes holds {text}, which is more than the "
                f"{values['max_image_pixels']} pixels of max_image_pixels."
            )
    return None


def _cameras_problem(cameras: list[str]) -> str | None:
    if list(cameras) in ([], [""]):
        return None
    for camera in cameras:
        if not _CAMERA.fullmatch(camera) or camera in RESERVED_NAMES:
            return (
                f"The parameter cameras holds '{camera}', which cannot be a camera's name: use "
                "letters, digits and underscores, and none of "
                f"{', '.join(RESERVED_NAMES)}."
            )
    if len(set(cameras)) < len(cameras):
        return f"The parameter cameras names a camera twice: {', '.join(cameras)}."
    return None
