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
        rows = as_rows(features)
        mean = as_maps(rows.mean((1, 2), keepdim=True))
        gate = self.expand(self.relu(self.reduce(mean))).sigmoid()
        return as_maps(rows * as_rows(gate))


def as_rows(maps: Tensor) -> Tensor:
    """[B, C, H, W] as [B, H, W, C], a view.

    With maps in channels-last memory it is the same in PyTorch whether one computes with the maps
    or with this. Exported graphs have no memory formats: there it decides how OpenVINO keeps what
    it computes, and where it turns it, which at 512 channels takes as long as computing it.
    """
    return maps.permute(0, 2, 3, 1)


def as_maps(rows: Tensor) -> Tensor:
    """[B, H, W, C] as [B, C, H, W], a view."""
    return rows.permute(0, 3, 1, 2)
