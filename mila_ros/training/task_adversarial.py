# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ASTMT's adversarial training: gradients that do not tell which task they come from.

Section 4 and the appendix of Maninis et al., CVPR 2019. A step of one task is::

    features = network.features(image, task)
    loss = weight * criterion(at_size(network.heads[task](features)), labels)
    against = task_adversarial_loss(discriminator, loss, features, task, progress)
    combined_loss(loss, against).backward()

with an optimizer step after each task. Gradients that are None leave parameters as they are, also
under momentum and weight decay, so that only what the task used is updated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .adversarial import reverse_gradient
from .losses import UNLABELLED, segmentation_loss

SHARE = 0.1  # the paper's w_d; the authors' program has 0.01


class TaskDiscriminator(nn.Module):
    """Tells, pixel by pixel, which task a gradient comes from: w → w, ReLU, w → one per task.

    Args:
        tasks: Names of the tasks.
        channels: Channels w of the features that the gradients belong to.
        kernel: Of both convolutions: 1 in the paper; 3 in the authors' program for NYUD.

    Raises:
        ValueError: For fewer than two tasks, one given twice, or an even kernel.
    """

    def __init__(self, tasks: Sequence[str], channels: int, kernel: int = 1) -> None:
        super().__init__()
        if len(tasks) < 2 or len(set(tasks)) != len(tasks):
            raise ValueError("give at least two tasks to tell apart, and each once")
        if kernel % 2 == 0:
            raise ValueError(f"the kernel must be odd, not {kernel}")
        self.tasks = tuple(tasks)
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, len(tasks), kernel, padding=kernel // 2),
        )

    def forward(self, gradient: Tensor) -> Tensor:
        """Logits [B, tasks, h, w] from gradients [B, w, h, w] of unit length along the channels."""
        return self.convolutions(gradient)


def reversal_strength(progress: float) -> float:
    """2 / (1 + e^(−10 p)) − 1: from 0 at the start of training, p = 0, to almost 1 at its end.

    So that the network does not heed a discriminator that has learned nothing yet (Ganin and
    Lempitsky, ICML 2015).
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def task_adversarial_loss(
    discriminator: TaskDiscriminator,
    loss: Tensor,
    features: Tensor,
    task: str,
    progress: float,
    labelled: Tensor | None = None,
) -> Tensor:
    """Cross-entropy L_D of the discriminator on ∂loss/∂features (equation 3).

    The gradient is itself part of the graph, so that L_D reaches the network through a second
    back-propagation, there with the sign reversed: minimising L_D trains the discriminator to
    name the task and the network to hide it. It needs activations and gradients of 32 bits.

    Args:
        discriminator: Of all tasks.
        loss: w_t L_t, a scalar that depends on ``features`` twice differentiably.
        features: What all tasks share, or the last that is made the same way for each,
            [B, w, h, w]; :meth:`mila_ros.networks.astmt.ASTMT.features`.
        task: Whose loss it is.
        progress: Share of the training that is done, 0 to 1.
        labelled: bool [B, H, W], where the task has a label; elsewhere the gradient says nothing.
            None: everywhere.

    Raises:
        ValueError: For a task that the discriminator does not know.
    """
    if task not in discriminator.tasks:
        raise ValueError(f"the discriminator knows {', '.join(discriminator.tasks)}, not {task}")
    (gradient,) = torch.autograd.grad(loss, features, create_graph=True)
    # Its length shrinks as training goes on, which would make it unstable (appendix).
    unit = F.normalize(gradient, dim=1)
    logits = discriminator(reverse_gradient(unit, reversal_strength(progress)))
    target = torch.full_like(logits[:, 0], discriminator.tasks.index(task), dtype=torch.long)
    if labelled is not None:
        small = F.interpolate(labelled[:, None].float(), logits.shape[2:], mode="nearest")
        target = target.masked_fill(small[:, 0] == 0, UNLABELLED)
    return segmentation_loss(logits, target)


def combined_loss(loss: Tensor, against: Tensor, share: float = SHARE) -> Tensor:
    """(1 − w_d) w_t L_t + w_d L_D (appendix, equation 5, of one task).

    Args:
        loss: w_t L_t.
        against: L_D, of :func:`task_adversarial_loss`.
        share: w_d.
    """
    return (1 - share) * loss + share * against
