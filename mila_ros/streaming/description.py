# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a model bundle says about itself: ``model.json`` as a checked, frozen record.

The file is read strictly. Every key is required and no other is allowed, so that a misspelt or
forgotten setting is refused and never falls back to a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BundleError
from ..tasks import Task
from .json_fields import Fields

FORMAT_VERSION = 1
WEIGHT_DTYPES = ("float32", "float16", "bfloat16")
UNLABELLED = 255
"""The class id that no label may have: a pixel without a class (vision_msgs/VisionClass)."""

SIZE_STEP = 8
"""Sides of the network's input are multiples of this, the networks' stride."""

_SIDE_PX = (32, 4096)
_TASK_RULES = {  # what Perception can decode: fewest and most channels, activations
    "segmentation": (2, UNLABELLED, ("softmax",)),
    "depth": (1, 1, ("exp", "identity")),
    "motion": (2, 2, ("softmax",)),
    "normals": (3, 3, ("unit",)),
    "edges": (1, 1, ("sigmoid",)),
    "saliency": (1, 1, ("sigmoid",)),
    "human_parts": (7, 7, ("softmax",)),  # the background and six parts, in the order of Frame
}
_SECTION_OF_TASK = {"segmentation": "labels", "depth": "depth", "motion": "motion"}
_KEYS = (
    "format_version",
    "name",
    "network",
    "tasks",
    "input",
    "keyframes",
    "training",
    "accuracy",
    "weights",
)


@dataclass(frozen=True)
class Label:
    """A class of the segmentation: id 0..254, name, RGB colour 0..255."""

    id: int
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class InputSpec:
    """What the network was trained on: size in pixels, mean and deviation of RGB in 0..1."""

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class DepthSpec:
    """How the depth output becomes metres.

    Attributes:
        metric: False when the network knows depth only up to a factor.
        min_m: Nearest depth that is reported as a number.
        max_m: Farthest.
        canonical_focal_px: Focal length in pixels, at the network's input, of the camera that all
            training depths were scaled to: metres = output · focal length / canonical.
        assumed_hfov_deg: Horizontal field of view taken where the focal length is not known.
    """

    metric: bool
    min_m: float
    max_m: float
    canonical_focal_px: float
    assumed_hfov_deg: float


@dataclass(frozen=True)
class Bundle:
    """A model's description.

    Attributes:
        name: Lower-case letters, digits and underscores.
        network: Key of ``networks.NETWORKS``.
        network_arguments: Keyword arguments of the network, without the tasks.
        tasks: What the network predicts.
        labels: Classes of the segmentation by id; empty without that task.
        input: The network's input.
        depth: None without the depth task.
        motion_threshold: Probability above which a pixel moves; None without the motion task.
        keyframe_every: The keyframe interval the model was made for.
        training: How it was trained, free in form.
        accuracy: What was measured, free in form.
        weights_sha256: Of the weights file.
        weights_dtype: One of ``WEIGHT_DTYPES``; the network itself always computes in float32.
        document: All of ``model.json``.
    """

    name: str
    network: str
    network_arguments: Mapping[str, Any]
    tasks: tuple[Task, ...]
    labels: tuple[Label, ...]
    input: InputSpec
    depth: DepthSpec | None
    motion_threshold: float | None
    keyframe_every: int
    training: Mapping[str, Any]
    accuracy: Mapping[str, Any]
    weights_sha256: str
    weights_dtype: str
    document: Mapping[str, Any]

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the network's input in pixels."""
        return self.input.height, self.input.width

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks' names, in the network's order."""
        return tuple(task.name for task in self.tasks)


def parse_description(document: object) -> Bundle:
    """Check the content of a ``model.json``.

    Raises:
        BundleError: Naming the first thing that is wrong.
    """
    version = document.get("format_version") if isinstance(document, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise BundleError(
            f"format_version {version} is newer than the {FORMAT_VERSION} that this mila_ros "
            "reads; update mila_ros"
        )
    top = Fields(document, "", _KEYS, tuple(_SECTION_OF_TASK.values()))
    top.integer("format_version", FORMAT_VERSION, FORMAT_VERSION)
    tasks = _tasks(top.items("tasks"))
    _check_sections(top, tasks)
    network = Fields(top["network"], "network", ("name", "arguments"))
    keyframes = Fields(top["keyframes"], "keyframes", ("every",))
    weights = Fields(top["weights"], "weights", ("sha256", "dtype"))
    return Bundle(
        name=top.text("name", "[a-z][a-z0-9_]*", "lower-case letters, digits and underscores"),
        network=network.text("name"),
        network_arguments=network.mapping("arguments"),
        tasks=tuple(tasks.values()),
        labels=_labels(top, tasks["segmentation"].channels) if "labels" in top else (),
        input=_input(top["input"]),
        depth=_depth(top["depth"]) if "depth" in top else None,
        motion_threshold=_motion_threshold(top["motion"]) if "motion" in top else None,
        keyframe_every=keyframes.integer("every", 1, 1000),
        training=top.mapping("training"),
        accuracy=top.mapping("accuracy"),
        weights_sha256=weights.text("sha256", "[0-9a-f]{64}", "64 hexadecimal digits"),
        weights_dtype=weights.text("dtype", "|".join(WEIGHT_DTYPES), f"one of {WEIGHT_DTYPES}"),
        document=top.values,
    )


def _tasks(values: list[Any]) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for index, value in enumerate(values):
        where = f"tasks[{index}]"
        fields = Fields(value, where, ("name", "channels", "activation"))
        names = tuple(_TASK_RULES)
        name = fields.text("name", "|".join(names), f"one of {names}")
        if name in tasks:
            raise BundleError(f"{where}: task {name} occurs twice; remove one")
        low, high, activations = _TASK_RULES[name]
        tasks[name] = Task(
            name,
            channels=fields.integer("channels", low, high),
            activation=fields.text("activation", "|".join(activations), f"one of {activations}"),
        )
    return tasks


def _check_sections(top: Fields, tasks: Mapping[str, Task]) -> None:
    """A task's section is there exactly when the task is."""
    for task, section in _SECTION_OF_TASK.items():
        if task in tasks and section not in top:
            raise BundleError(f'key "{section}" is missing; the task {task} needs it')
        if task not in tasks and section in top:
            raise BundleError(f'key "{section}" belongs to the task {task}; remove it')


def _labels(top: Fields, channels: int) -> tuple[Label, ...]:
    labels: dict[int, Label] = {}
    names: set[str] = set()
    for index, value in enumerate(top.items("labels")):
        fields = Fields(value, f"labels[{index}]", ("id", "name", "color"))
        label = Label(
            fields.integer("id", 0, channels - 1), fields.text("name"), fields.color("color")
        )
        if label.id in labels or label.name in names:
            raise BundleError(
                f"labels[{index}]: the id {label.id} or the name {label.name!r} occurs twice; "
                "give each label its own"
            )
        labels[label.id] = label
        names.add(label.name)
    if len(labels) != channels:
        raise BundleError(
            f"labels has {len(labels)} entries and the task segmentation {channels} channels; "
            f"give one label for each id from 0 to {channels - 1}"
        )
    return tuple(labels[number] for number in sorted(labels))


def _input(value: object) -> InputSpec:
    fields = Fields(value, "input", ("height", "width", "mean", "std"))
    height, width = (fields.integer(key, *_SIDE_PX) for key in ("height", "width"))
    if height % SIZE_STEP or width % SIZE_STEP:
        raise BundleError(f"input: {height}x{width} must be multiples of {SIZE_STEP} pixels")
    return InputSpec(height, width, fields.triple("mean", -10, 10), fields.triple("std", 0, 10))


def _depth(value: object) -> DepthSpec:
    keys = ("metric", "min_m", "max_m", "canonical_focal_px", "assumed_hfov_deg")
    fields = Fields(value, "depth", keys)
    min_m = fields.number("min_m", above=0)
    return DepthSpec(
        metric=fields.boolean("metric"),
        min_m=min_m,
        max_m=fields.number("max_m", above=min_m),
        canonical_focal_px=fields.number("canonical_focal_px", above=0),
        assumed_hfov_deg=fields.number("assumed_hfov_deg", above=0, below=180),
    )


def _motion_threshold(value: object) -> float:
    return Fields(value, "motion", ("threshold",)).number("threshold", above=0, below=1)
