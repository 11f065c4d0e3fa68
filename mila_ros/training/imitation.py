# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Not to forget: what is not labelled is learned from the network that the stage began with.

Li and Hoiem, "Learning without Forgetting", ECCV 2016, here for maps instead of classes: the
encoders may change for the sake of a labelled task while the others keep their answers.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tasks import Task
from .reduction import at_least_single
from .targets import known


def imitation_loss(task: Task, logits: Tensor, example: Tensor) -> Tensor:
    """How far answers are from an example's, [B], a mean over pixels.

    The Kullback-Leibler divergence of softmax and of sigmoid tasks, one minus the cosine of unit
    vectors, and the absolute difference of all other logits, for depth that of its logarithms.

    Args:
        task: What the logits are of.
        logits, example: [B, channels, H, W]; no gradient goes to the example.
    """
    ours, theirs = at_least_single(logits), at_least_single(example.detach())
    if task.activation == "softmax":
        log = ours.log_softmax(1)
        apart = F.kl_div(log, theirs.log_softmax(1), reduction="none", log_target=True).sum(1)
    elif task.activation == "sigmoid":
        entropy = F.binary_cross_entropy_with_logits(theirs, theirs.sigmoid(), reduction="none")
        cross = F.binary_cross_entropy_with_logits(ours, theirs.sigmoid(), reduction="none")
        apart = (cross - entropy).mean(1)
    elif task.activation == "unit":
        apart = 1 - F.cosine_similarity(ours, theirs, dim=1)
    else:
        apart = (ours - theirs).abs().mean(1)
    return apart.mean((1, 2))


def forgetting_loss(
    tasks: Mapping[str, Task],
    answers: Mapping[str, Tensor],
    examples: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
) -> Tensor:
    """The imitation losses of the tasks that a picture has no label of, summed; a mean over B.

    Args:
        tasks: By name, those to be kept.
        answers: Logits by task, [B, channels, h, w].
        examples: The same of the network to be like.
        targets: Labels by task, [B, H, W] or, of normals, [B, 3, H, W].
    """
    total = next(iter(answers.values())).new_zeros((), dtype=torch.float32)
    for name, task in tasks.items():
        if name in answers and name in examples:
            unlabelled = ~known(name, targets[name]).flatten(1).any(1)
            apart = imitation_loss(task, answers[name], examples[name])
            total = total + (apart * unlabelled).mean()
    return total
