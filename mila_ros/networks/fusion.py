# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to join the current frame's features with those received from others, before a 3×3.

Concatenation, the paper's, makes the 3×3 as many times wider as there are frames: at its widths
that convolution of three tasks costs twice the fast encoder. The others keep it at one frame's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import as_maps, as_rows

FUSIONS = ("concat", "add", "gate")


class Concatenation(nn.Module):
    """All frames' features, one after the other."""

    def forward(self, frames: Sequence[Tensor]) -> Tensor:
        """[B, frames·C, h, w] of the frames' [B, C, h, w]."""
        return as_maps(torch.cat([as_rows(frame) for frame in frames], dim=-1))


class Addition(nn.Module):
    """The current frame plus the others, each channel of each of them times a learned factor.

    Args:
        channels: C, of one frame.
        sources: Number of frames beside the current one.
    """

    def __init__(self, channels: int, sources: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(sources, channels, 1, 1))

    def forward(self, frames: Sequence[Tensor]) -> Tensor:
        """[B, C, h, w] of the frames' [B, C, h, w], the current one first."""
        current, *others = frames
        for scale, other in zip(self.scale, others, strict=True):
            current = current + scale * other
        return current


class Gate(nn.Module):
    """A weighted mean of the frames, with weights of each pixel's own.

    A 1×1 convolution scores every frame's features, and a softmax over the frames makes weights of
    the scores; so a pixel whose surroundings were hidden in the other frames can do without them.
    It begins as the plain mean.

    Args:
        channels: C, of one frame.
        sources: Number of frames beside the current one.
    """

    def __init__(self, channels: int, sources: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in range(1 + sources))
        for parameter in self.scores.parameters():
            nn.init.zeros_(parameter)

    def forward(self, frames: Sequence[Tensor]) -> Tensor:
        """[B, C, h, w] of the frames' [B, C, h, w], the current one first."""
        scores = [score(frame) for score, frame in zip(self.scores, frames, strict=True)]
        weights = torch.cat(scores, dim=1).softmax(dim=1)
        result = weights[:, :1] * frames[0]
        for n, frame in enumerate(frames[1:], 1):
            result = result + weights[:, n : n + 1] * frame
        return result


def build_fusion(name: str, channels: int, sources: int) -> tuple[nn.Module, int]:
    """One of :data:`FUSIONS`, and the channels of its result.

    Args:
        name: Which.
        channels: Of one frame's features.
        sources: Number of frames beside the current one.

    Raises:
        ValueError: For an unknown name.
    """
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion {name!r}; choose {', '.join(FUSIONS[:-1])} or gate")
    if name == "concat" or sources == 0:
        return Concatenation(), channels * (1 + sources)
    return (Addition if name == "add" else Gate)(channels, sources), channels
