# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real model, small enough for tests."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mila_ros.networks import MILA, build_network
from mila_ros.networks.efficientnet import EfficientNetLite
from mila_ros.streaming import save_bundle
from mila_ros.tasks import TASKS

TINY_CLASSES = 5
TINY_TASKS = TASKS | {"segmentation": TASKS["segmentation"].with_channels(TINY_CLASSES)}
TINY_DEFAULT = ("segmentation", "depth", "motion")
TINY_NETWORK: dict[str, Any] = {
    "slow": "resnet34",
    "fast": "resnet18",
    "slow_width": 8,
    "fast_width": 8,
    "ceil_mode": False,
    "channels": 16,
    "decoder_channels": [16, 8],
    "attention_channels": 8,
    "window": 5,
    "se_reduction": 4,
}


def tiny_description(tasks: Collection[str] = TINY_DEFAULT, name: str = "tiny") -> dict[str, Any]:
    """A bundle's ``model.json`` without ``weights``: input 64×128, keyframe every 3 frames."""
    chosen = [TINY_TASKS[task] for task in tasks]
    sections = {
        "segmentation": {
            "labels": [
                {"id": number, "name": f"class_{number}", "color": _color(number)}
                for number in range(TINY_CLASSES)
            ]
        },
        "depth": {
            "depth": {
                "metric": True,
                "min_m": 0.5,
                "max_m": 100.0,
                "canonical_focal_px": 100.0,
                "assumed_hfov_deg": 75.0,
            }
        },
        "motion": {"motion": {"threshold": 0.5}},
    }
    description: dict[str, Any] = {
        "format_version": 1,
        "name": name,
        "network": {"name": "mila", "arguments": dict(TINY_NETWORK)},
        "tasks": [
            {"name": task.name, "channels": task.channels, "activation": task.activation}
            for task in chosen
        ],
        "input": {
            "height": 64,
            "width": 128,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "keyframes": {"every": 3},
        "training": {"data": "none; the weights are random"},
        "accuracy": {},
    }
    for task in chosen:
        description |= sections.get(task.name, {})
    return description


def tiny_network(tasks: Collection[str] = TINY_DEFAULT, seed: int = 0) -> MILA:
    """The network of :func:`make_tiny_bundle`: random weights, scaled so that outputs are lively.

    On noise, logits vary around 0 by 1.5; those of depth vary around the logarithm of 10 m.
    """
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = build_network("mila", [TINY_TASKS[task] for task in tasks], **TINY_NETWORK)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # plain means, of the two passes below
                nn.init.ones_(module.weight)  # residuals count from the start, as in trained ones
        noise = torch.randn(2, 3, 64, 128)
        for keyframe in (True, False):
            network(noise, None, keyframe=keyframe)
        network.eval()
        for name, logits in network(noise, None, keyframe=True)[0].items():
            last = network.branches[name].heads[name].predict
            gain = 1.5 / logits.std((0, 2, 3))
            last.weight.mul_(gain.view(-1, 1, 1, 1))
            last.bias.sub_(logits.mean((0, 2, 3))).mul_(gain)
            last.bias.add_(math.log(10) if name == "depth" else 0)
    return network


def make_tiny_bundle(
    directory: Path,
    tasks: Collection[str] = TINY_DEFAULT,
    name: str = "tiny",
    seed: int = 0,
) -> Path:
    """Write a small MILA with random weights as a bundle.

    Args:
        directory: The bundle's folder; made when it does not exist.
        tasks: Names out of ``TINY_TASKS``, in the network's order.
        name: The model's name.
        seed: Of the weights.

    Returns:
        The folder.
    """
    save_bundle(directory, tiny_network(tasks, seed), tiny_description(tasks, name))
    return directory


def _color(number: int) -> list[int]:
    return [round(255 * part) for part in colorsys.hsv_to_rgb(number / TINY_CLASSES, 1, 1)]


def published_weights(network: EfficientNetLite) -> dict[str, Tensor]:
    """Its weights by the names that the published files have for them, and what else is there."""
    weights = {published_name(name): x.clone() for name, x in network.state_dict().items()}
    rest = {"_conv_head.weight": 1, "_bn1.weight": 1, "_bn1.running_mean": 1, "_fc.bias": 1}
    return weights | {name: torch.zeros(size) for name, size in rest.items()}


def published_name(name: str) -> str:
    """The name that files of EfficientNet-Lite's weights have for one of ours."""
    *modules, leaf = name.split(".")
    return ".".join([*(part if part.isdigit() else f"_{part}" for part in modules), leaf])
