# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MTAN as its authors have it, on SegNet (Liu et al., CVPR 2019, section 3 and figure 2).

SegNet: Badrinarayanan et al., TPAMI 2017; VGG-16's thirteen convolutions down, and the mirror
image up, unpooled by the indices that max-pooling left.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tasks import Task
from .base import SingleFrameNetwork

_MULTIPLES = (1, 2, 4, 8, 8)  # widths of the five levels
_CONVOLUTIONS = (2, 2, 3, 3, 3)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Level(nn.Module):
    """The convolutions of one level: the first, after which masks look, and the others."""

    def __init__(self, inputs: int, outputs: int, convolutions: int) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs, 3)
        rest = (_conv(outputs, outputs, 3) for _ in range(convolutions - 1))
        self.rest = nn.Sequential(*rest)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features u after the first convolution and p after the last (the paper's names)."""
        u = self.first(x)
        return u, self.rest(u)


class Mask(nn.Module):
    """σ(BN(1×1(ReLU(BN(1×1(seen)))))) ⊙ features."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.mask = nn.Sequential(
            _conv(inputs, channels, 1),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )

    def forward(self, seen: Sequence[Tensor], features: Tensor) -> Tensor:
        return self.mask(torch.cat(list(seen), dim=1)) * features


class SegNetMTAN(SingleFrameNetwork):
    """A shared SegNet with a mask per task and level, down and up.

    Args:
        tasks: What to predict.
        width: Channels of the first level; 64 in the paper.
    """

    def __init__(self, tasks: Sequence[Task], width: int = 64) -> None:
        super().__init__(tasks)
        widths = [multiple * width for multiple in _MULTIPLES]
        above = [3, *widths[:-1]]
        shapes = list(zip(above, widths, _CONVOLUTIONS, strict=True))
        self.down = nn.ModuleList(Level(i, o, n) for i, o, n in shapes)
        self.up = nn.ModuleList(Level(o, max(i, width), n) for i, o, n in reversed(shapes))
        # f of the paper, shared by the tasks: it carries what a task took to the next level.
        after = [*widths[1:], widths[-1]]
        self.carry_down = nn.ModuleList(_conv(c, d, 3) for c, d in zip(widths, after, strict=True))
        below = list(reversed(widths))
        narrow = [max(i, width) for i, _, _ in reversed(shapes)]
        self.carry_up = nn.ModuleList(_conv(c, n, 3) for c, n in zip(below, narrow, strict=True))
        names = [task.name for task in self.tasks]
        self.masks_down = _masks(names, [c + (c if n else 0) for n, c in enumerate(widths)], widths)
        self.masks_up = _masks(names, [2 * n for n in narrow], narrow)
        self.heads = nn.ModuleDict(
            {
                task.name: nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, task.channels, 1)
                )
                for task in self.tasks
            }
        )

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        x, attended = image, dict[str, Tensor]()
        pools: list[tuple[Tensor, torch.Size]] = []
        for n, (level, carry) in enumerate(zip(self.down, self.carry_down, strict=True)):
            u, p = level(x)
            for name in tasks:
                seen = [u, attended[name]] if n else [u]
                taken = carry(self._mask(self.masks_down, n, name)(seen, p))
                attended[name] = F.max_pool2d(taken, 2, ceil_mode=True)
            x, indices = F.max_pool2d(p, 2, ceil_mode=True, return_indices=True)
            pools.append((indices, p.shape))
        for n, (level, carry) in enumerate(zip(self.up, self.carry_up, strict=True)):
            indices, shape = pools.pop()
            u, p = level(F.max_unpool2d(x, indices, [2, 2], output_size=shape))
            for name in tasks:
                larger = F.interpolate(
                    attended[name], shape[2:], mode="bilinear", align_corners=False
                )
                seen = [u, carry(larger)]
                attended[name] = self._mask(self.masks_up, n, name)(seen, p)
            x = p
        return {name: self.heads[name](attended[name]) for name in tasks}

    @staticmethod
    def _mask(masks: nn.ModuleList, level: int, task: str) -> Mask:
        return cast(Mask, cast(nn.ModuleDict, masks[level])[task])


def _masks(names: Sequence[str], inputs: Sequence[int], channels: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.ModuleDict({name: Mask(i, c) for name in names})
        for i, c in zip(inputs, channels, strict=True)
    )
