# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inter-frame local attention, the operator of MILA (equations 1 and 2).

Every pixel of the query frame takes a weighted mean of the source frame's values in the L×L window
around it; the weights are a softmax over inner products. Neighbours outside the image get no
weight: zero padding would give them weight e⁰. Scores are not scaled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def inter_frame_local_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Propagate ``value`` from a source frame to the query frame.

    The maps are cut into small tiles of queries, each with the halo of keys that its windows
    reach; one matrix product per tile then serves all its windows, so that the L²-fold tensor of
    an ``unfold`` never exists. Differentiable; plain gathers and products, on any device.

    Args:
        query: h(f_k) of the current frame, [B, Cq, H, W].
        key: h(f_t) of the source frame, [B, Cq, H, W].
        value: f_t of the source frame, [B, C, H, W].
        window: L, odd and at least 1; 5 in the paper.

    Returns:
        f_{t→k}, [B, C, H, W], in the dtype of ``value``. The softmax is taken in at least fp32.

    Raises:
        ValueError: When shapes do not fit each other or the window is not odd.
    """
    _check(query, key, value, window)
    batch, channels, height, width = value.shape
    tile = (4, 8) if window <= 7 else (8, 8)
    tiles = _tiling(height, width, window, tile, value.device)
    queries = _rows(query, tiles.query_index, tiles.number)
    keys = _rows(key, tiles.source_index, tiles.number)
    values = _rows(value, tiles.source_index, tiles.number)
    scores = queries @ keys.transpose(-1, -2)
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    weights = scores.masked_fill(tiles.outside, -torch.inf).softmax(-1).to(value.dtype)
    result = (weights @ values).view(batch, -1, channels).index_select(1, tiles.restore_index)
    return result.view(batch, height, width, channels).permute(0, 3, 1, 2)


def inter_frame_local_attention_reference(
    query: Tensor, key: Tensor, value: Tensor, window: int
) -> Tensor:
    """The same as :func:`inter_frame_local_attention`, written as the equations read.

    One shifted copy of the source per position of the window: slow, and easy to believe.
    """
    _check(query, key, value, window)
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
    _check(query, key, value, 1)
    batch, channels, height, width = value.shape
    q, k, v = (t.flatten(2).transpose(1, 2).unsqueeze(1) for t in (query, key, value))
    attended = F.scaled_dot_product_attention(q, k, v, scale=1.0).squeeze(1).transpose(1, 2)
    return attended.reshape(batch, channels, height, width)


class _Tiling(NamedTuple):
    """Constant index tensors that cut maps of one size into tiles of queries with their halos."""

    number: int  # of tiles, N
    query_index: Tensor  # [N·P] pixel of every query
    source_index: Tensor  # [N·S] pixel of every key and value, halo included
    outside: Tensor  # bool [N, P, S]: outside this query's window, or outside the image
    restore_index: Tensor  # [H·W] place of every pixel in the tiles' order


@lru_cache(maxsize=32)
def _tiling(
    height: int, width: int, window: int, tile: tuple[int, int], device: torch.device
) -> _Tiling:
    # Tensors made in inference mode could never take part in a training step afterwards.
    with torch.inference_mode(False):
        return _make_tiling(height, width, window, tile, device)


def _make_tiling(
    height: int, width: int, window: int, tile: tuple[int, int], device: torch.device
) -> _Tiling:
    rows, columns = tile
    radius = window // 2
    down, across = -(-height // rows), -(-width // columns)

    def pixels(y: Tensor, x: Tensor) -> Tensor:
        """Index of each pixel; those outside the image are masked later and may be any."""
        return (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten()

    top = torch.arange(down).view(-1, 1) * rows
    left = torch.arange(across).view(-1, 1) * columns
    query_y, query_x = top + torch.arange(rows), left + torch.arange(columns)
    source_y = top + torch.arange(-radius, rows + radius)
    source_x = left + torch.arange(-radius, columns + radius)
    seen_y = _seen(query_y, source_y, radius, height)  # [down, rows, rows + 2·radius]
    seen_x = _seen(query_x, source_x, radius, width)
    seen = seen_y[:, None, :, None, :, None] & seen_x[None, :, None, :, None, :]
    seen = seen.reshape(down * across, rows * columns, -1)
    seen |= ~seen.any(-1, keepdim=True)  # queries beyond the image: any finite weight will do
    y, x = torch.arange(height).view(-1, 1), torch.arange(width)
    tile_number = (y // rows) * across + x // columns
    restore = tile_number * (rows * columns) + (y % rows) * columns + x % columns
    return _Tiling(
        number=down * across,
        query_index=pixels(query_y[:, None, :, None], query_x[None, :, None, :]).to(device),
        source_index=pixels(source_y[:, None, :, None], source_x[None, :, None, :]).to(device),
        outside=(~seen).to(device),
        restore_index=restore.flatten().to(device),
    )


def _seen(query: Tensor, source: Tensor, radius: int, size: int) -> Tensor:
    """Whether a source position is inside the image and the query's window, along one axis."""
    near = (query[:, :, None] - source[:, None, :]).abs() <= radius
    return near & ((source >= 0) & (source < size))[:, None, :]


def _rows(features: Tensor, index: Tensor, tiles: int) -> Tensor:
    """Gather pixels of [B, C, H, W] as rows [B, tiles, pixels per tile, C]."""
    batch, channels = features.shape[:2]
    rows = features.permute(0, 2, 3, 1).reshape(batch, -1, channels)
    return rows.index_select(1, index).view(batch, tiles, -1, channels)


def _check(query: Tensor, key: Tensor, value: Tensor, window: int) -> None:
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
