# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""FlowNet-S, and warping by flow.

Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Flow = Callable[[Tensor, Tensor], Tensor]

# FlowNet learns flow in units of 20 pixels.
_UNIT_PX = 20.0
# The contracting part: kernel, stride and width in units of the first convolution's.
_ENCODER = (
    ((7, 2, 1),),
    ((5, 2, 2),),
    ((5, 2, 4), (3, 1, 4)),
    ((3, 2, 8), (3, 1, 8)),
    ((3, 2, 8), (3, 1, 8)),
    ((3, 2, 16), (3, 1, 16)),
)
_DECODER = (8, 4, 2, 1)  # widths of the refinement from 1/32 to 1/4, in the same units


class FlowNetS(nn.Module):
    """Flow from the current to the source frame, by an encoder and a refinement with skips.

    23 convolutions: 10 down, and on the way up 4 for the features, 5 for the flow at each scale,
    4 to bring that flow to the next scale.

    Args:
        width: Channels of the first convolution; 64 in the paper.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        stages, skips, channels = [], [], 6
        for stage in _ENCODER:
            layers: list[nn.Module] = []
            for kernel, stride, factor in stage:
                outputs = factor * width
                conv = nn.Conv2d(channels, outputs, kernel, stride, padding=kernel // 2)
                layers += [conv, nn.LeakyReLU(0.1, inplace=True)]
                channels = outputs
            stages.append(nn.Sequential(*layers))
            skips.append(channels)
        self.encoder = nn.ModuleList(stages)
        self.flows = nn.ModuleList([_predict_flow(channels)])
        self.features, self.raise_flow = nn.ModuleList(), nn.ModuleList()
        for factor, skip in zip(_DECODER, skips[-2::-1], strict=False):
            outputs = factor * width
            up = nn.ConvTranspose2d(channels, outputs, 4, stride=2, padding=1, bias=False)
            self.features.append(nn.Sequential(up, nn.LeakyReLU(0.1, inplace=True)))
            self.raise_flow.append(nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1, bias=False))
            channels = outputs + skip + 2
            self.flows.append(_predict_flow(channels))

    def forward(self, current: Tensor, source: Tensor) -> Tensor:
        """Flow [B, 2, ~H/4, ~W/4] in pixels of the frames, which are [B, 3, H, W]."""
        return self.scales(current, source)[-1]

    def scales(self, current: Tensor, source: Tensor) -> list[Tensor]:
        """Flow at each scale from 1/64 to 1/4, all in pixels of the frames, for training."""
        x, skips = torch.cat([current, source], dim=1), []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        flows = [self.flows[0](x)]
        steps = zip(self.features, self.raise_flow, self.flows[1:], skips[-2::-1], strict=False)
        for features, raise_flow, predict, skip in steps:
            height, width = skip.shape[2:]
            parts = [skip, features(x), raise_flow(flows[-1])]
            x = torch.cat([part[:, :, :height, :width] for part in parts], dim=1)
            flows.append(predict(x))
        return [_UNIT_PX * flow for flow in flows]


def _predict_flow(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 2, 3, padding=1, bias=False)


def warp(features: Tensor, flow: Tensor) -> Tensor:
    """Each pixel takes what lies ``flow`` away from it, bilinearly.

    Beyond the border it takes the border's.

    Args:
        features: [B, C, h, w].
        flow: Pixels to the right and down, [B, 2, h, w].

    Returns:
        [B, C, h, w].
    """
    height, width = features.shape[2:]
    # Half precision has no fractions where pictures are wide: bf16 counts by ones from 128 on.
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)
    across = (flow[:, 0] + x + 0.5) * (2 / width) - 1
    down = (flow[:, 1] + y[:, None] + 0.5) * (2 / height) - 1
    grid = torch.stack([across, down], dim=-1)
    sampled = F.grid_sample(
        features.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled.to(features.dtype)


def halve(image: Tensor) -> Tensor:
    """An image [B, C, H, W] at half its size, each pixel the mean of four."""
    return F.avg_pool2d(image, 2, ceil_mode=True)
