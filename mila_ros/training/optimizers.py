# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The optimiser, and the learning rate over the steps of a stage."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from .config import OptimizerConfig, StageConfig


def learning_rate(step: int, stage: StageConfig) -> float:
    """Linear warm-up over a share of the steps, then half a cosine to zero, or constant."""
    done = (step + 1) / stage.steps
    if done < stage.warm_up:
        return stage.learning_rate * done / stage.warm_up
    if stage.decay == "constant":
        return stage.learning_rate
    rest = (done - stage.warm_up) / max(1 - stage.warm_up, 1e-9)
    return stage.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


def build_optimizer(
    trained: nn.Module,
    weighting: nn.Module,
    how: OptimizerConfig,
    rate: float,
    rates: Sequence[tuple[Sequence[nn.Module], float]] = (),
) -> torch.optim.Optimizer:
    """An optimiser of all parameters that want gradients.

    Args:
        trained: What has them.
        weighting: Whose parameters are among them and do not decay: that would draw a learned
            uncertainty to one.
        how: Which.
        rate: Its first learning rate.
        rates: Parts of ``trained`` that learn at ``rate`` times a factor, the inner ones first;
            their group keeps it as ``factor``.
    """
    groups = [{"params": list(weighting.parameters()), "weight_decay": 0.0, "factor": 1.0}]
    own = set(weighting.parameters())
    for parts, factor in (*rates, ([trained], 1.0)):
        among = dict.fromkeys(p for part in parts for p in part.parameters() if p.requires_grad)
        parameters = [p for p in among if p not in own]
        own.update(parameters)
        groups.append(
            {
                "params": parameters,
                "weight_decay": how.weight_decay,
                "factor": factor,
                "lr": rate * factor,
            }
        )
    if how.name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=how.momentum)
    kind = torch.optim.Adam if how.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate, betas=how.betas)
