# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA's adversarial alignment: a discriminator that cannot tell fast features from slow ones.

Section 3.3 and the supplement's section E. It is needed in training only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradient, None


def reverse_gradient(x: Tensor, scale: float = 1.0) -> Tensor:
    """``x`` itself, whose gradient is multiplied by −``scale`` on its way back.

    The gradient reversal layer of Ganin and Lempitsky (ICML 2015).
    """
    return _ReverseGradient.apply(x, scale)


class FeatureDiscriminator(nn.Module):
    """Tells features of the slow encoder from those of the fast one.

    Three 3×3 convolutions and global average pooling (supplement, section E). The paper writes
    "with relu": here it stands between them and not after the last, because a sigmoid of what is
    never negative is at least ½, and no feature could be called fast. The sigmoid is in the loss.

    Args:
        channels: Channels c of the features; the convolutions have c/2, c/4 and 1, of which the
            paper says nothing.

    Raises:
        ValueError: For fewer than four channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 4:
            raise ValueError(f"the discriminator needs features of 4 channels or more: {channels}")
        half, quarter = channels // 2, channels // 4
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, half, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, quarter, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(quarter, 1, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits [B] from features [B, c, h, w]; positive means slow."""
        return self.convolutions(features).mean((1, 2, 3))


def adversarial_loss(discriminator: nn.Module, slow: Tensor, fast: Tensor) -> Tensor:
    """−log D(Slow(I)) − log(1 − D(Fast(I))), a mean over the batch (MILA, equation 3).

    Minimising it trains the discriminator to tell the two apart and, through a reversed gradient,
    the fast encoder to be taken for the slow one: both in one backward pass. The slow encoder is
    the example and gets no gradient. (As printed, equation 3 has the discriminator minimise
    what it must maximise.)

    Args:
        discriminator: Logits [B] or [B, 1] from features, such as :class:`FeatureDiscriminator`.
        slow, fast: Features of the same images, [B, c, h, w].
    """
    on_slow = discriminator(slow.detach()).float()
    on_fast = discriminator(reverse_gradient(fast)).float()
    return F.binary_cross_entropy_with_logits(
        on_slow, torch.ones_like(on_slow)
    ) + F.binary_cross_entropy_with_logits(on_fast, torch.zeros_like(on_fast))
