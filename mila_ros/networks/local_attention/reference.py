# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Local attention as the equations read, attention over the whole map, and what all forms check."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def inter_frame_local_attention_reference(
    query: Tensor, key: Tensor, value: Tensor, window: int
) -> Tensor:
    """The same as ``inter_frame_local_attention``, written as the equations read.

    One shifted copy of the source per position of the window: slow, and easy to believe.
    """
    check(query, key, value, window)
    height, width = value.shape[2:]
    radius = window // 2
    keys, values = (F.pad(source, [radius] * 4) for source in (key, value))
    inside = F.pad(torch.ones_like(value[:1, :1], dtype=torch.bool), [radius] * 4)
    shifts = [
        (slice(y, y + height), slice(x, x + width)) for y in range(window) for x in range(window)
    ]
    scores = torch.stack([(query * keys[:, :, y, x]).sum(1) for y, x in shifts], dim=1)
    in_image = torch.cat([inside[:, :, y, x] for y, x in shifts], dim=1)
    weights = scores.masked_fill(~in_image, -torch.inf).softmax(1)
    return sum(
        (weights[:, n : n + 1] * values[:, :, y, x] for n, (y, x) in enumerate(shifts)),
        start=torch.zeros_like(value),
    )


def global_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention over the whole source frame, MILA's Table 4 "Global".

    Args:
        query, key: [B, Cq, H, W].
        value: [B, C, H, W].

    Returns:
        [B, C, H, W]. Memory grows with (H·W)².
    """
    check(query, key, value, 1)
    batch, channels, height, width = value.shape
    q, k, v = (t.flatten(2).transpose(1, 2).unsqueeze(1) for t in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v, scale=1.0).squeeze(1).transpose(1, 2)
    return attended.reshape(batch, channels, height, width)


def check(query: Tensor, key: Tensor, value: Tensor, window: int) -> None:
    """Refuse maps that do not fit each other, and windows that are not odd.

    Raises:
        ValueError: In one sentence.
    """
    if query.dim() != 4 or query.shape != key.shape:
        raise ValueError(
            "query and key must be of one shape [B, Cq, H, W], "
            f"not {tuple(query.shape)} and {tuple(key.shape)}"
        )
    if value.dim() != 4 or value.shape[0] != key.shape[0] or value.shape[2:] != key.shape[2:]:
        raise ValueError(
            f"value must be [B, C, H, W] with the batch and size of key {tuple(key.shape)}, "
            f"not {tuple(value.shape)}"
        )
    if window < 1 or window % 2 == 0:
        raise ValueError(f"the window must be odd and positive, not {window}")
