# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the image looks like around each feature, for attention to compare frames by."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUARTER = 4
MEAN = 9
PATCH = 7

# Brightness, and two differences of colours; each of unit length.
_COLOURS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))


class Texture(nn.Module):
    """Unit vectors that are alike where two images are, whichever encoder has seen them.

    A slow and a fast encoder write down the same thing differently, and h, one convolution for
    both, hardly makes up for it: with h alone attention averages over a third of its window and
    more (docs/networks.md). The image itself is the same to both. Here it is seen at a quarter of
    its resolution, less its local mean over 36×36 pixels, through one 7×7 convolution; at first
    that is the lowest frequencies of a discrete cosine transform of 28×28 pixels, two thirds of
    them of brightness. Not in the paper.

    Args:
        channels: Of the result.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, channels, PATCH, stride=2, padding=PATCH // 2, bias=False)
        with torch.no_grad():
            self.project.weight.copy_(cosines(channels))

    def forward(self, image: Tensor, size: torch.Size) -> Tensor:
        """A normalised image [B, 3, H, W] as float32 unit vectors [B, channels, h, w].

        They are shorter where the image has next to no texture.

        Args:
            image: The frame.
            size: h and w, of the features; about an eighth of the image's.
        """
        small = F.avg_pool2d(image, QUARTER)
        details = small - F.avg_pool2d(small, MEAN, 1, MEAN // 2, count_include_pad=False)
        found = self.project(details).float()
        if found.shape[2:] != size:
            found = F.interpolate(found, size, mode="bilinear", align_corners=False)
        return F.normalize(found, dim=1, eps=1e-2)


def cosines(channels: int, side: int = PATCH) -> Tensor:
    """Orthonormal filters [channels, 3, side, side], lowest frequencies first in each colour.

    Raises:
        ValueError: When there are fewer frequencies than that.
    """
    of_colours = channels // 6
    counts = (channels - 2 * of_colours, of_colours, of_colours)
    if not 1 <= channels or counts[0] > side**2:
        raise ValueError(f"texture is seen in 1 to {3 * side**2 // 2} channels, not {channels}")
    steps = torch.arange(side) + 0.5
    waves = torch.stack([torch.cos(math.pi / side * n * steps) for n in range(side)])
    waves = F.normalize(waves, dim=1)
    order = sorted((u * u + v * v, u, v) for u in range(side) for v in range(side))
    filters = [
        colour[:, None, None] * waves[u][:, None] * waves[v]
        for colour, count in zip(F.normalize(torch.tensor(_COLOURS), dim=1), counts, strict=True)
        for _, u, v in order[:count]
    ]
    return torch.stack(filters)
