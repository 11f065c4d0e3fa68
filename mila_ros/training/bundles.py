# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a training to a model bundle, and back to a training that goes on from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import MilaError
from ..networks import build_network
from ..streaming import save_bundle
from ..streaming.description import Bundle, parse_description
from .checkpoints import load_checkpoint
from .config import TrainingConfig
from .config_file import parse_config
from .labels import resolve_classes
from .start import usual_tasks


def describe(config: TrainingConfig, stage: int) -> dict[str, Any]:
    """``model.json`` of what a stage trains, without weights."""
    classes = resolve_classes(config.classes)
    tasks = usual_tasks(list(config.tasks), len(classes.classes))
    picture = config.input
    arguments = config.network_arguments(stage)
    document: dict[str, Any] = {
        "format_version": 1,
        "name": config.name,
        "network": {"name": config.network["name"], "arguments": arguments},
        "tasks": [
            {"name": task.name, "channels": task.channels, "activation": task.activation}
            for task in tasks
        ],
        "input": {
            "height": picture.height,
            "width": picture.width,
            "mean": list(picture.mean),
            "std": list(picture.std),
        },
        "keyframes": {"every": config.keyframe_every},
        "training": {},
        "accuracy": {},
    }
    if "segmentation" in config.tasks:
        document["labels"] = [
            {"id": number, "name": name, "color": list(color)}
            for number, (name, color) in enumerate(
                zip(classes.classes, classes.colors, strict=True)
            )
        ]
    if "depth" in config.tasks:
        document["depth"] = {
            "metric": True,
            "min_m": picture.min_m,
            "max_m": picture.max_m,
            "canonical_focal_px": picture.canonical_focal_px,
            "assumed_hfov_deg": picture.assumed_hfov_deg,
        }
    if "motion" in config.tasks:
        document["motion"] = {"threshold": picture.motion_threshold}
    return document


def described(config: TrainingConfig, stage: int) -> Bundle:
    """The description of what a stage trains, checked, with weights that are none.

    Raises:
        BundleError: No bundle can be made of it.
    """
    weights = {"sha256": "0" * 64, "dtype": "float32"}
    return parse_description(describe(config, stage) | {"weights": weights})


def defaults(bundle: Bundle) -> dict[str, Any]:
    """What a configuration that starts from a bundle need not repeat."""
    arguments = dict(bundle.network_arguments)
    auxiliary = {name: {} for name in arguments.pop("auxiliary", ())}
    picture: dict[str, Any] = {
        "height": bundle.input.height,
        "width": bundle.input.width,
        "mean": list(bundle.input.mean),
        "std": list(bundle.input.std),
    }
    if bundle.depth is not None:
        for key in ("canonical_focal_px", "min_m", "max_m", "assumed_hfov_deg"):
            picture[key] = getattr(bundle.depth, key)
    if bundle.motion_threshold is not None:
        picture["motion_threshold"] = bundle.motion_threshold
    values = {
        "network": {"name": bundle.network, "arguments": arguments},
        "tasks": {name: {} for name in bundle.task_names},
        "auxiliary": auxiliary,
        "input": picture,
        "keyframe_every": bundle.keyframe_every,
    }
    return values | ({"classes": [label.name for label in bundle.labels]} if bundle.labels else {})


def write_bundle(
    checkpoint: Path,
    out: Path,
    provenance: Mapping[str, Any],
    accuracy: Mapping[str, Any],
    dtype: str = "float16",
) -> None:
    """Make a bundle of a checkpoint.

    Args:
        checkpoint: ``best.pt`` or ``last.pt`` of a training.
        out: The bundle's folder; its name becomes the model's.
        provenance: What the description says of the training, beside its configuration.
        accuracy: What was measured.
        dtype: What weights are rounded to.

    Raises:
        MilaError: The checkpoint cannot be read, the bundle cannot be written, or the weights are
            not finite.
    """
    saved = load_checkpoint(checkpoint)
    config = parse_config(saved["config"], str(checkpoint))
    stage = saved.get("stage", saved.get("progress", {}).get("stage"))
    step = saved.get("step", saved.get("progress", {}).get("step"))
    if stage is None or step is None:
        raise MilaError(f"{checkpoint} does not say how far it was trained")
    stage = min(stage, len(config.stages) - 1)
    document = describe(config, stage) | {"name": out.name}
    classes = resolve_classes(config.classes)
    network = build_network(
        config.network["name"],
        usual_tasks(list(config.tasks), len(classes.classes)),
        **document["network"]["arguments"],
    )
    network.load_state_dict(saved["network"])
    document["training"] = dict(provenance) | {
        "stage": config.stages[stage].name,
        "step": step,
        "config": config.as_dict(),
    }
    document["accuracy"] = dict(accuracy)
    try:
        save_bundle(out, network, document, dtype)
    except OSError as error:
        raise MilaError(f"{out} cannot be written: {error.strerror}") from error
