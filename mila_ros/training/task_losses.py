# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The losses of the tasks that a network answers, at the size of their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from .passes import Answer
from .samples import Batch


def task_losses(
    criteria: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    answer: Answer,
    batch: Batch,
    sky: int | None,
) -> dict[str, Tensor]:
    """Of every task that is both predicted and trained; 0 where a batch has no label of it.

    Args:
        criteria: By task, from logits [B, C, H, W] and a target to a scalar.
        answer: What the network says of one of the batch's images.
        batch: With the targets.
        sky: The id of the class that is infinitely far; None where there is none.
    """
    losses = {}
    for name, criterion in criteria.items():
        if name in answer.logits:
            target = batch.targets[name][answer.role]
            full = F.interpolate(
                answer.logits[name].float(),
                target.shape[-2:],
                mode="bilinear",
                align_corners=False,
            )
            losses[name] = criterion(full, _prepared(name, target, batch, answer.role, sky))
    return losses


def _prepared(name: str, target: Tensor, batch: Batch, role: int, sky: int | None) -> Tensor:
    """A target as losses want it: ids as int64, the sky infinitely far.

    Not in pictures without a map of depth: to learn of the sky alone ruins all other depth.
    """
    if name == "depth" and sky is not None and "segmentation" in batch.targets:
        is_sky = batch.targets["segmentation"][role] == sky
        return target.masked_fill(is_sky & ~target.isnan(), torch.inf)
    return target if target.is_floating_point() else target.long()
