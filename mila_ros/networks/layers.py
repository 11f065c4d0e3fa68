# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small parts that several networks are built from."""

from __future__ import annotations

from torch import Tensor, nn


def conv_bn_relu(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution that divides the size by ``stride``, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class SqueezeExcitation(nn.Module):
    """Channel gate σ(W₂ relu(W₁ mean(x))) ⊙ x (Hu et al., CVPR 2018, equations 2 to 4).

    Args:
        channels: Channels of the features [B, channels, H, W].
        reduction: The ratio r by which W₁ narrows; 16 in the paper.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        gate = self.expand(self.relu(self.reduce(features.mean((2, 3), keepdim=True))))
        return features * gate.sigmoid()
