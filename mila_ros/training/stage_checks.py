# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a network can be trained in the way that a stage wants."""

from __future__ import annotations

import math

from ..errors import MilaError
from ..networks import ASTMT, MILA, Network
from ..networks.base import SingleFrameNetwork
from ..networks.propagation import OpticalFlowPropagation
from .config import StageConfig, TrainingConfig


def check_objective(network: Network, config: TrainingConfig, stage: StageConfig) -> None:
    """Refuse a stage that the network is not made for.

    Raises:
        MilaError: Naming the stage, and what it can be instead.
    """
    name = config.network["name"]
    slow_fast = isinstance(network, MILA) and not network.slow_only
    if stage.objective == "video" and not slow_fast:
        raise MilaError(
            f"stage {stage.name}: {name} has no slow and fast encoder to train on video; "
            "objective is frames or pair"
        )
    if stage.objective == "pair" and isinstance(network, SingleFrameNetwork):
        raise MilaError(f"stage {stage.name}: {name} sees single frames; objective is frames")
    if stage.objective == "pair" and slow_fast:
        raise MilaError(
            f"stage {stage.name}: pair would leave the fast encoder of {name} untrained; "
            "objective is frames or video"
        )
    flows = isinstance(network, MILA) and any(
        isinstance(part, OpticalFlowPropagation) for part in network.modules()
    )
    if stage.objective == "video" and flows and stage.max_distance > 1:
        raise MilaError(
            f"stage {stage.name}: optical flow goes from frame to frame, and would be trained on "
            f"up to {stage.max_distance} frames at once; max_distance is 1"
        )
    if stage.task_adversarial and not isinstance(network, ASTMT):
        raise MilaError(f"stage {stage.name}: task_adversarial is ASTMT's, not of {name}")
    if stage.task_adversarial and len(network.tasks) < 2:
        raise MilaError(f"stage {stage.name}: task_adversarial needs two tasks or more")
    if stage.distill and isinstance(network, ASTMT):
        raise MilaError(f"stage {stage.name}: ASTMT is trained task by task, without distill")
    for part, factor in stage.pretrained.items():
        if not part or part not in dict(network.named_modules()):
            parts = ", ".join(child for child, _ in network.named_children())
            raise MilaError(f"stage {stage.name}: pretrained names {part}; {name} has {parts}")
        if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
            raise MilaError(
                f"stage {stage.name}: pretrained.{part} is a factor of the learning rate, 0 or "
                f"more, not {factor!r}"
            )
