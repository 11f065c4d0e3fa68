# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loss of each task in a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..tasks import FAR, Task
from .config import TrainingConfig
from .losses import Criterion, build_loss


def criteria(
    tasks: Mapping[str, Task], config: TrainingConfig, class_weights: Tensor
) -> dict[str, Criterion]:
    """The loss of each task, with what the data and the model's range add to its arguments.

    Raises:
        MilaError: A task has no such loss, or the loss no such argument.
    """
    added: dict[tuple[str, str], dict[str, Any]] = {
        ("segmentation", "cross_entropy"): {"class_weights": class_weights},
        ("depth", "log_l1"): {"far_m": FAR * config.input.max_m},
    }
    usual = {task: loss for task, loss in added}
    found = {}
    for name, task in tasks.items():
        how = config.learned[name]
        loss = how.loss or usual.get(name)
        more = added.get((name, loss or ""), {})
        found[name] = build_loss(task, loss, **(more | dict(how.arguments)))
    return found
