# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the things in a frame were one frame ago: what tells that they move.

Attention carries an earlier frame's features to where the current frame has them; whatever moved
is thereby hidden from the decoder. A motion mask needs just that, and this module says it.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import as_maps, as_rows, conv_bn_relu
from .local_attention import inter_frame_local_attention

STRIDE = 4
PATCH = 5


class Correspondence(nn.Module):
    """Displacements between two frames, by local attention on normalised patches.

    A frame's *patches* are what local means leave of it at a quarter of its resolution, seen
    through one 5×5 convolution and brought to unit length, so that their products are correlation
    coefficients, and light does not matter. The mean offset under the attention's weights is the
    displacement; how alike patches are with it and without it says how far it can be trusted.
    Not in the papers: MultiNet++ leaves it to its decoders to compare two frames' features.

    Args:
        channels: Channels of the result.
        patch_channels: Channels of the patches.
        window: Side of the window at a quarter of the image's resolution, odd: 9 sees
            displacements of 16 pixels.
    """

    def __init__(self, channels: int, patch_channels: int = 24, window: int = 9) -> None:
        super().__init__()
        self.window = window
        self.project = nn.Conv2d(3, patch_channels, PATCH, padding=PATCH // 2, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(20.0))  # of the softmax over coefficients
        self.near = conv_bn_relu(4, channels, 3, stride=2)
        self.far = conv_bn_relu(2 * channels, channels, 3)

    def patches(self, image: Tensor) -> Tensor:
        """Unit vectors float32 [B, patch_channels, H/4, W/4] of a normalised image [B, 3, H, W]."""
        small = F.avg_pool2d(image.float(), STRIDE)
        details = small - F.avg_pool2d(small, PATCH, 1, PATCH // 2, count_include_pad=False)
        projected = self.project(details.to(self.project.weight.dtype))
        return F.normalize(projected.float(), dim=1, eps=1e-3)

    def matches(self, current: Tensor, last: Tensor) -> Tensor:
        """How the patches of the last frame lie in the current one.

        Args:
            current, last: Of :meth:`patches`.

        Returns:
            float32 [B, 4, H/4, W/4]: how far right and down a place's content was in the last
            frame, as a share of the farthest; correlation coefficients of the current
            patches with those, and with the ones in the same place.
        """
        # With weights of half precision the state may be of it too. Places are not to be: bf16 has
        # no odd numbers above 256.
        current, last = current.float(), last.float()
        batch, _, height, width = current.shape
        now, before = as_rows(current), as_rows(last)
        y = torch.arange(height, dtype=torch.float32, device=current.device)
        x = torch.arange(width, dtype=torch.float32, device=current.device)
        place = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        place = place.expand(batch, height, width, 2)
        found = inter_frame_local_attention(
            as_maps(now * self.sharpness),
            last,
            as_maps(torch.cat([place, before], dim=-1)),
            self.window,
        )
        offset, moved = as_rows(found).split([2, before.shape[-1]], dim=-1)
        alike = [(now * other).sum(-1, keepdim=True) for other in (moved, before)]
        return as_maps(torch.cat([(offset - place) / (self.window // 2), *alike], dim=-1))

    def forward(self, current: Tensor, last: Tensor, size: torch.Size) -> Tensor:
        """What a decoder is told of it: [B, channels, h, w].

        Args:
            current, last: Of :meth:`patches`.
            size: Height and width of the result; about an eighth of the image's.
        """
        found = self.matches(current, last).to(self.project.weight.dtype)
        near = cast("Tensor", self.near(found))
        if near.shape[2:] != size:
            near = F.interpolate(near, size, mode="bilinear", align_corners=False)
        # Most of what a picture shows stands still: its mean is how the camera itself moves.
        mean = near.mean((2, 3), keepdim=True).expand_as(near)
        return cast("Tensor", self.far(torch.cat([near, mean], dim=1)))
