# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MTAN: end-to-end multi-task learning with attention (Liu et al., CVPR 2019), on a ResNet.

Every task looks at the one encoder's features through attention masks of its own, one after each
of the four stages; a mask also sees what the task took from the stage before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tasks import Task
from .base import Network, SingleFrameNetwork
from .baselines import resnet_decoders
from .resnet import Bottleneck, ResNet
from .segnet import SegNetMTAN


class AttentionModule(nn.Module):
    """One task's masks after one stage: equations 1 and 2.

    Args:
        inputs: Channels of what the mask is computed from.
        channels: Channels of the features it is laid over, a multiple of four.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        hidden = channels // 4
        self.mask = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )

    def forward(self, seen: Tensor, features: Tensor) -> Tensor:
        """σ(g(seen)) ⊙ features; seen [B, inputs, h, w], features [B, channels, h, w]."""
        return self.mask(seen) * features


class DeepLabMTAN(SingleFrameNetwork):
    """MTAN on a DeepLab-ResNet, as MILA's tables compare with: MTAN*.

    Each stage is cut before its last block: the mask is computed from what goes into that block
    and laid over what comes out. Between stages the tasks share one bottleneck, which takes a
    task's features to the next stage's width, and after the first stage to its size.

    Args:
        tasks: What to predict.
        encoder, width, output_stride, ceil_mode: See :class:`ResNet`.
        decoder_channels: Widths inside a decoder.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        encoder: str = "resnet101",
        width: int = 64,
        output_stride: int = 8,
        ceil_mode: bool = True,
        decoder_channels: tuple[int, int] = (512, 256),
    ) -> None:
        super().__init__(tasks)
        self.encoder = ResNet(encoder, output_stride, ceil_mode, width)
        channels = self.encoder.stage_channels
        names = [task.name for task in self.tasks]
        self.attention = nn.ModuleList(
            nn.ModuleDict({name: AttentionModule(c * (1 + (stage > 0)), c) for name in names})
            for stage, c in enumerate(channels)
        )
        self.shared = nn.ModuleList(
            _bottleneck(before, after)
            for before, after in zip(channels, channels[1:], strict=False)
        )
        self.decoders = resnet_decoders(self.tasks, channels[-1], decoder_channels)

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        x = self.encoder.stem(image)
        attended: dict[str, Tensor] = {}
        for stage, attention in enumerate(self.attention):
            layer = cast(nn.Sequential, getattr(self.encoder, f"layer{stage + 1}"))
            before = layer[:-1](x)
            x = layer[-1](before)
            for name in tasks:
                seen = before
                if stage > 0:
                    passed = self._pass_on(attended[name], stage, before)
                    seen = torch.cat([before, passed], dim=1)
                attended[name] = cast(nn.ModuleDict, attention)[name](seen, x)
        return {name: self.decoders[name](attended[name]) for name in tasks}

    def _pass_on(self, attended: Tensor, stage: int, like: Tensor) -> Tensor:
        """A task's features after one stage, at the width and size of the next one's."""
        passed = self.shared[stage - 1](attended)
        if passed.shape[2:] != like.shape[2:]:
            passed = F.max_pool2d(passed, 2, stride=2, ceil_mode=True)
        return passed


def _bottleneck(inputs: int, outputs: int) -> Bottleneck:
    downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    return Bottleneck(inputs, outputs // Bottleneck.expansion, 1, 1, 1, downsample)


def mtan(tasks: Sequence[Task], backbone: str = "deeplab", **arguments: Any) -> Network:
    """MTAN.

    Args:
        tasks: What to predict.
        backbone: ``"deeplab"`` for :class:`DeepLabMTAN`, ``"segnet"`` for the original,
            :class:`SegNetMTAN`.
        **arguments: Of that class.

    Raises:
        ValueError: For another backbone.
    """
    if backbone == "deeplab":
        return DeepLabMTAN(tasks, **arguments)
    if backbone == "segnet":
        return SegNetMTAN(tasks, **arguments)
    raise ValueError(f"MTAN's backbone is deeplab or segnet, not {backbone!r}")
