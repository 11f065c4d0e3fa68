# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ASTMT's encoder: a SE-ResNet whose convolutions are shared and whose modulation is per task.

Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019, section 3; SE-ResNet: Hu et
al., CVPR 2018.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from .layers import SqueezeExcitation

SHARED = "shared"
DEPTHS = {
    "se_resnet26": (2, 2, 2, 2),
    "se_resnet50": (3, 4, 6, 3),
    "se_resnet101": (3, 4, 23, 3),
}


class PerTask(nn.ModuleDict):
    """A module of each task's own, all starting alike, or one for all of them.

    Args:
        tasks: Names of the tasks; none for one module that all share.
        module: What they start as.
    """

    def __init__(self, tasks: Sequence[str], module: nn.Module) -> None:
        super().__init__({task: copy.deepcopy(module) for task in tasks or (SHARED,)})

    def forward(self, x: Tensor, task: str) -> Tensor:
        return self[SHARED if SHARED in self else task](x)


class Adapted(nn.Module):
    """A convolution and, in parallel, a 1×1 convolution of each task's own (equation 2).

    The adapters start at zero: the network starts as it is without them. Batch norm of each task's
    own follows.

    Args:
        conv: What all tasks share.
        tasks: Names of the tasks; none for no modulation.
        adapters: Whether there are any.
    """

    def __init__(self, conv: nn.Conv2d, tasks: Sequence[str], adapters: bool) -> None:
        super().__init__()
        self.conv = conv
        self.adapters: PerTask | None = None
        if adapters and tasks:
            adapter = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=False)
            nn.init.zeros_(adapter.weight)
            self.adapters = PerTask(tasks, adapter)
        self.bn = PerTask(tasks, nn.BatchNorm2d(conv.out_channels))

    def forward(self, x: Tensor, task: str) -> Tensor:
        out = self.conv(x)
        if self.adapters is not None:
            out = out + self.adapters(x, task)
        return self.bn(out, task)


class SEBottleneck(nn.Module):
    """A residual block, its stride in the first 1×1, gated before the sum.

    Args:
        inputs, planes: Channels of the input and of the 3×3; the output has four times as many.
        stride, dilation: Of the block.
        tasks, adapters: See :class:`Adapted`; adapters go with the 3×3.
    """

    expansion = 4

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int,
        dilation: int,
        tasks: Sequence[str],
        adapters: bool,
    ) -> None:
        super().__init__()
        outputs = planes * self.expansion
        middle = nn.Conv2d(planes, planes, 3, padding=dilation, dilation=dilation, bias=False)
        self.reduce = Adapted(nn.Conv2d(inputs, planes, 1, stride, bias=False), tasks, False)
        self.middle = Adapted(middle, tasks, adapters)
        self.expand = Adapted(nn.Conv2d(planes, outputs, 1, bias=False), tasks, False)
        self.se = PerTask(tasks, SqueezeExcitation(outputs))
        self.shortcut: Adapted | None = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = Adapted(conv, tasks, False)

    def forward(self, x: Tensor, task: str) -> Tensor:
        out = F.relu(self.middle(F.relu(self.reduce(x, task)), task))
        out = self.se(self.expand(out, task), task)
        return F.relu(out + (x if self.shortcut is None else self.shortcut(x, task)))


class SEResNet(nn.Module):
    """The encoder; its first convolution and batch norm are never of a task's own.

    Args:
        name: One of :data:`DEPTHS`.
        output_stride: 8, 16 or 32.
        width: Channels of the stem; 64 in the paper.
        tasks, adapters: See :class:`Adapted`.
    """

    def __init__(
        self, name: str, output_stride: int, width: int, tasks: Sequence[str], adapters: bool
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        self.stage_channels: list[int] = []
        channels, reached = width, 4
        for stage, blocks in enumerate(DEPTHS[name]):
            stride = 2 if stage > 0 and reached < output_stride else 1
            reached *= stride
            dilation = 4 * 2**stage // reached
            planes, layers = width * 2**stage, nn.ModuleList()
            for block in range(blocks):
                step = stride if block == 0 else 1
                layers.append(SEBottleneck(channels, planes, step, dilation, tasks, adapters))
                channels = planes * SEBottleneck.expansion
            self.stages.append(layers)
            self.stage_channels.append(channels)

    def forward(self, image: Tensor, task: str) -> tuple[Tensor, Tensor]:
        """Features at a quarter of the image's size, and the last."""
        x, outputs = self.stem(image), []
        for stage in self.stages:
            for block in cast(nn.ModuleList, stage):
                x = block(x, task)
            outputs.append(x)
        return outputs[0], x
