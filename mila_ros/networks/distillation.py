# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Multi-modal distillation: tasks that learn from each other's first features.

PAD-Net (Xu et al., CVPR 2018) and MTI-Net (Vandenhende et al., ECCV 2020, equation 1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, cast

from torch import Tensor, nn

from .resnet import BasicBlock


class Predictions(NamedTuple):
    """What a network with initial predictions gives while it is trained."""

    final: dict[str, Tensor]  # logits of the tasks
    initial: tuple[dict[str, Tensor], ...]  # of tasks and auxiliary tasks, per scale, finest first


class SpatialAttention(nn.Module):
    """σ(W F) ⊙ (W′ F): what one task passes to another, with 3×3 convolutions W and W′."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.message = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.attention(features).sigmoid() * self.message(features)


class Distillation(nn.Module):
    """Each target's features plus what every other task passes to it.

    Args:
        targets: Names of the tasks that receive.
        sources: Names of the tasks that give.
        channels: Channels of every task's features.
    """

    def __init__(self, targets: Sequence[str], sources: Sequence[str], channels: int) -> None:
        super().__init__()
        self.attention = nn.ModuleDict(
            {
                target: nn.ModuleDict(
                    {source: SpatialAttention(channels) for source in sources if source != target}
                )
                for target in targets
            }
        )

    def forward(self, features: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
        """Distilled features of the wanted targets from the features of all sources."""
        return {
            target: sum(
                (attention(features[source]) for source, attention in attentions.items()),
                start=features[target],
            )
            for target, attentions in self._attentions()
            if target in wanted
        }

    def _attentions(self) -> list[tuple[str, nn.ModuleDict]]:
        return [(name, cast(nn.ModuleDict, part)) for name, part in self.attention.items()]


def basic_block(inputs: int, outputs: int) -> BasicBlock:
    """A residual block that may change the width; its shortcut is then a 1×1 convolution."""
    shortcut = None
    if inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    return BasicBlock(inputs, outputs, 1, 1, 1, shortcut)
