# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small bundle of every network, as a training writes it, and what its network gives by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from training_bench import document, single_stage

from mila_ros.streaming import Bundle, load_bundle
from mila_ros.training.bundles import write_bundle
from mila_ros.training.checkpoints import save_checkpoint
from mila_ros.training.config_file import parse_config
from mila_ros.training.start import random_network

SIZE = (64, 96)
RESNET = {"encoder": "resnet18", "width": 8, "decoder_channels": [16, 16]}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "astmt": {"width": 8, "decoder_width": 16},
    "cross_stitch": RESNET,
    "mtan": RESNET,
    "mti_net": {"backbone": "fpn_resnet18", "width": 8, "pyramid_channels": 16},
    "multi_task": RESNET,
    "multinet": {"encoder": "resnet18", "width": 8},
    "pad_net": {"width": 8, "task_channels": 16},
    "single_task": RESNET,
}
"""By network, but for MILA, which `helpers.make_tiny_bundle` makes."""


def write_network_bundle(
    folder: Path,
    name: str,
    tasks: Sequence[str] = ("segmentation", "depth", "motion"),
    classes: Sequence[str] | str = ("road", "sky", "car"),
) -> Path:
    """A bundle with random weights, from a checkpoint, by the training's own `write_bundle`.

    They are scaled so that on noise each task's answers vary.
    """
    height, width = SIZE
    values = document(
        network={"name": name, "arguments": ARGUMENTS[name]},
        classes=classes if isinstance(classes, str) else list(classes),
        tasks={task: {} for task in tasks},
        stages=single_stage("frames"),
        input={"height": height, "width": width, "canonical_focal_px": 60.0},
    )
    config = parse_config(values, name)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = random_network(config, 0)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        noise = (torch.rand(2, 3, *SIZE) - 0.45) / 0.225  # as pictures of noise are normalised
        network.train()(noise)
        network.eval()
        logits, _ = network(noise)
        for task, head in last_convolutions(network, tasks).items():
            spread = logits[task].std((0, 2, 3)).mean()
            head.weight.div_(spread)
            head.bias.sub_(logits[task].mean((0, 2, 3))).div_(spread)
            head.bias.add_(2.3 if task == "depth" else 0.0)
    checkpoint = folder.with_suffix(".pt")
    content = {"config": config.as_dict(), "network": network.state_dict(), "stage": 0, "step": 0}
    save_checkpoint(checkpoint, content)
    write_bundle(checkpoint, folder, {"clips": []}, {}, "float32")
    checkpoint.unlink()
    return folder


def last_convolutions(network: nn.Module, tasks: Sequence[str]) -> dict[str, nn.Conv2d]:
    """Where each task's logits come from."""
    found = {}
    for name, module in network.named_modules():
        for task in tasks:
            if task in name.split(".") and "initial" not in name and "front" not in name:
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
                    found[task] = module
    return found


def by_hand(
    folder: Path, images: Sequence[np.ndarray], tasks: Sequence[str] | None = None
) -> tuple[Bundle, list[dict[str, Tensor]]]:
    """The logits of successive images of the network's own size, without anything of streaming."""
    bundle, network = load_bundle(folder)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (bundle.input.mean, bundle.input.std))
    state, found = None, []
    with torch.inference_mode():
        for image in images:
            pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
            logits, state = network(((pixels - mean) / std)[None], state, tasks=tasks)
            found.append(logits)
    return bundle, found
