# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network of a stage, and where it starts from: ImageNet weights, plausible first answers."""

from __future__ import annotations

import hashlib
import math
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import MilaError
from ..networks import Network, build_network
from ..networks.efficientnet import EfficientNetLite
from ..networks.hrnet import HRNet
from ..networks.resnet import ResNet
from ..tasks import TASKS, Task
from .config import TrainingConfig
from .labels import resolve_classes
from .take_over import take_over


def usual_tasks(names: Sequence[str], classes: int) -> list[Task]:
    """The tasks of these names, segmentation with as many channels as there are classes.

    Raises:
        MilaError: For an unknown name.
    """
    if unknown := [name for name in names if name not in TASKS]:
        raise MilaError(f"there is no task {unknown[0]}; there are {', '.join(TASKS)}")
    tasks = [TASKS[name] for name in names]
    return [t.with_channels(classes) if t.name == "segmentation" else t for t in tasks]


def stage_network(
    config: TrainingConfig, stage: int, weights: Mapping[str, Tensor] | None
) -> tuple[Network, list[str]]:
    """The network of a stage: with these weights, or as ``start`` says, else random by the seed.

    Returns:
        The network, and the names of what is random in it though weights were given.

    Raises:
        MilaError: It cannot be built, or the weights do not fit.
    """
    torch.manual_seed(config.seed + stage)
    network = random_network(config, stage)
    if weights is None:
        load_start(network, config)
        return network, []
    new = [name for name in config.start if not _has(weights, name, getattr(network, name, None))]
    # The neck behind an encoder reads that encoder's channels: another's would mean nothing to it.
    leave = tuple(f"{name}{end}" for name in new for end in (".", "_neck."))
    fresh = take_over(network, {k: v for k, v in weights.items() if not k.startswith(leave)})
    load_encoders(network, config, new)
    return network, fresh


def random_network(config: TrainingConfig, stage: int) -> Network:
    """The network of a stage, as it comes.

    Raises:
        MilaError: It cannot be built.
    """
    tasks = usual_tasks(list(config.tasks), len(resolve_classes(config.classes).classes))
    usual_tasks(list(config.auxiliary), 0)
    try:
        return build_network(config.network["name"], tasks, **config.network_arguments(stage))
    except (ValueError, TypeError) as error:
        raise MilaError(f"stage {config.stages[stage].name}: {error}") from error


def load_start(network: Network, config: TrainingConfig) -> None:
    """Give encoders the weights that ``start`` names, and depth a first answer in mid range.

    Raises:
        MilaError: The weights cannot be had, or are of another encoder.
    """
    load_encoders(network, config, list(config.start))
    middle = math.log(math.sqrt(config.input.min_m * config.input.max_m))
    for name, module in network.named_modules():
        if name.rpartition(".")[2] == "depth" and (last := _last_convolution(module)):
            nn.init.constant_(last.bias, middle)


def load_encoders(network: Network, config: TrainingConfig, parts: Sequence[str]) -> None:
    """Give the encoders of these parts the weights that ``start`` names.

    Raises:
        MilaError: The weights cannot be had, or are of another encoder.
    """
    for name in parts:
        where = config.start[name]
        encoders = _encoders(getattr(network, name, None))
        if not encoders:
            raise MilaError(
                f"start names {name}, but {config.network['name']} has no encoder there that "
                "weights are published for"
            )
        weights = _state_dict(where)
        try:
            for encoder in encoders:
                encoder.load_imagenet(weights)
        except (RuntimeError, AttributeError) as error:
            reason = str(error).split("\n\t")[1:2] or [str(error)]
            raise MilaError(f"{where} does not fit the encoder {name}: {reason[0]}") from error


def _has(weights: Mapping[str, Tensor], name: str, part: nn.Module | None) -> bool:
    """Whether weights of a network have all those of one of its parts."""
    return part is not None and {f"{name}.{key}" for key in part.state_dict()} <= set(weights)


def _encoders(part: nn.Module | None) -> list[ResNet | EfficientNetLite | HRNet]:
    """Every encoder of published weights in a part of a network: one for each task in some."""
    modules = part.modules() if part is not None else ()
    return [module for module in modules if isinstance(module, ResNet | EfficientNetLite | HRNet)]


def _last_convolution(module: nn.Module) -> nn.Module | None:
    """Where a part of a network says its one number: its last convolution, if it has one output."""
    found = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    says = found and found[-1].out_channels == 1 and found[-1].bias is not None
    return found[-1] if says else None


def _state_dict(where: str) -> Mapping[str, Any]:
    url = urllib.parse.urlparse(where)
    try:
        if url.scheme in ("http", "https"):
            # Named by the whole address: files of one name need not be the same.
            name = hashlib.sha256(where.encode()).hexdigest()[:16] + ".pth"
            weights = torch.hub.load_state_dict_from_url(
                where, map_location="cpu", progress=False, file_name=name, weights_only=True
            )
        else:
            path = urllib.request.url2pathname(url.path) if url.scheme == "file" else where
            weights = torch.load(Path(path).expanduser(), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError) as error:
        reason = (
            getattr(error, "strerror", None) or getattr(error, "reason", None) or "not a state_dict"
        )
        raise MilaError(f"the weights {where} cannot be had: {reason}") from error
    if not isinstance(weights, Mapping):
        raise MilaError(f"the weights {where} cannot be had: not a state_dict")
    return weights
