# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Feature pyramids, and backbones with four scales by name.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017; Kirillov et al., "Panoptic
Feature Pyramid Networks", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .hrnet import DESIGNS as HRNETS
from .hrnet import HRNet
from .layers import conv_bn_relu
from .resnet import DESIGNS as RESNETS
from .resnet import ResNet


class FPN(nn.Module):
    """A ResNet whose coarser stages are added to the finer ones.

    Args:
        encoder, width: See :class:`ResNet`.
        pyramid_channels: Of each of the four maps; 256 in the paper.

    Attributes:
        channels: Of the four maps.
    """

    def __init__(self, encoder: str, width: int = 64, pyramid_channels: int = 256) -> None:
        super().__init__()
        self.channels = [pyramid_channels] * 4
        self.encoder = ResNet(encoder, output_stride=32, ceil_mode=False, width=width)
        self.lateral = nn.ModuleList(
            nn.Conv2d(c, pyramid_channels, 1) for c in self.encoder.stage_channels
        )
        self.smooth = nn.ModuleList(
            nn.Conv2d(pyramid_channels, pyramid_channels, 3, padding=1) for _ in range(4)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps at 1/4, 1/8, 1/16 and 1/32 of the size of image [B, 3, H, W]."""
        stages = self.encoder.stages(image)
        maps = [lateral(x) for lateral, x in zip(self.lateral, stages, strict=True)]
        for n in (2, 1, 0):
            maps[n] = maps[n] + F.interpolate(maps[n + 1], maps[n].shape[2:], mode="nearest")
        return [smooth(x) for smooth, x in zip(self.smooth, maps, strict=True)]


class ConcatHead(nn.Module):
    """HRNet's head: all scales at the finest, concatenated, and two 1×1 convolutions.

    Args:
        channels: Of the maps, finest first.
        outputs: Channels of the logits.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        total = sum(channels)
        self.layers = nn.Sequential(
            nn.Conv2d(total, total, 1),
            nn.BatchNorm2d(total),
            nn.ReLU(inplace=True),
            nn.Conv2d(total, outputs, 1),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return self.layers(torch.cat(finest(maps), dim=1))


class PanopticHead(nn.Module):
    """The semantic head of panoptic feature pyramids: each scale brought up by steps, and summed.

    Args:
        channels: Of the maps, finest first.
        outputs: Channels of the logits.
        hidden: Channels of each step; 128 in the paper.
    """

    def __init__(self, channels: Sequence[int], outputs: int, hidden: int = 128) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            nn.ModuleList(
                conv_bn_relu(c if step == 0 else hidden, hidden, 3) for step in range(max(scale, 1))
            )
            for scale, c in enumerate(channels)
        )
        self.predict = nn.Conv2d(hidden, outputs, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        sizes = [x.shape[2:] for x in maps]
        total = torch.zeros((), device=maps[0].device)
        for scale, (x, steps) in enumerate(zip(maps, self.scales, strict=True)):
            for step, layer in enumerate(cast(nn.ModuleList, steps)):
                size = sizes[max(scale - 1 - step, 0)]
                x = F.interpolate(layer(x), size, mode="bilinear", align_corners=False)
            total = total + x
        return self.predict(total)


def finest(maps: Sequence[Tensor]) -> list[Tensor]:
    """All maps resized bilinearly to the size of the first."""
    size = maps[0].shape[2:]
    resized = [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in maps[1:]]
    return [maps[0], *resized]


def multi_scale_backbone(name: str, width: int | None, pyramid_channels: int) -> HRNet | FPN:
    """A backbone by name: an HRNet, or ``fpn_`` before the name of a ResNet.

    Args:
        name: Such as ``"hrnet18_small"`` or ``"fpn_resnet50"``.
        width: Of :class:`HRNet` or :class:`ResNet`; the paper's when None.
        pyramid_channels: Of :class:`FPN`; an HRNet has widths of its own.

    Raises:
        ValueError: For an unknown name.
    """
    if name in HRNETS:
        return HRNet(name, width)
    if name.removeprefix("fpn_") in RESNETS and name.startswith("fpn_"):
        return FPN(name.removeprefix("fpn_"), width or 64, pyramid_channels)
    known = [*HRNETS, *(f"fpn_{encoder}" for encoder in RESNETS)]
    raise ValueError(f"unknown backbone {name!r}; choose one of {', '.join(known)}")


def prediction_head(
    backbone: HRNet | FPN, outputs: int, channels: Sequence[int] | None = None
) -> nn.Module:
    """The head that goes with a backbone: concatenation for an HRNet, panoptic for a pyramid.

    Args:
        backbone: Which.
        outputs: Channels of the logits.
        channels: Of the maps that the head is given; the backbone's own when None.
    """
    head = ConcatHead if isinstance(backbone, HRNet) else PanopticHead
    return head(backbone.channels if channels is None else channels, outputs)
