# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bilinear resizing, in the form that what runs it is fast with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [B, C, h, w] to [B, C, *size], as ``F.interpolate`` with ``align_corners=False``.

    In an exported graph it is two matrix products. OpenVINO pads the few channels of logits to a
    block of 16 for its own interpolation, and then has to put them in order again. The larger
    product has its constant on the right, where OpenVINO computes it in bfloat16 if it may.
    """
    if not is_exporting():
        return F.interpolate(maps, size, mode="bilinear", align_corners=False)
    height, width = maps.shape[2:]
    return (_weights(height, size[0]).to(maps) @ maps) @ _weights(width, size[1]).to(maps).T


def is_exporting() -> bool:
    """Whether a graph is being exported; before torch 2.7 that cannot be told."""
    ask = getattr(torch.compiler, "is_exporting", None)
    return bool(ask and ask())


def _weights(before: int, after: int) -> Tensor:
    """The matrix float32 [after, before] that resizes along one side: two weights in a row.

    It is a constant of the graph: OpenVINO 2026.4 does not come to an end with one that the graph
    computes.
    """
    places = [(number + 0.5) * before / after - 0.5 for number in range(after)]
    rows = [
        [max(0.0, 1 - abs(min(max(place, 0), before - 1) - number)) for number in range(before)]
        for place in places
    ]
    return torch.tensor(rows, dtype=torch.float32)
