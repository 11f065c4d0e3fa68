# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Local attention by tiles: gathers and matrix products alone, on any device, and exportable."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor


def tile_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Local attention of maps that have been checked.

    The maps are cut into small tiles of queries, each with the halo of keys that its windows
    reach; one matrix product per tile then serves all its windows, so that the L²-fold tensor of
    an ``unfold`` never exists.

    Args:
        query, key: [B, Cq, H, W].
        value: [B, C, H, W].
        window: L, odd.

    Returns:
        [B, C, H, W], channels_last, in the dtype of ``value``. Scores and softmax are taken in at
        least fp32.
    """
    batch, channels, height, width = value.shape
    tile = (4, 8) if window <= 9 else (8, 8)
    tiles = _tiling(height, width, window, tile, value.device)
    if type(tiles.outside) is not Tensor:  # one without values, made while exporting
        _tiling.cache_clear()
    at_least_single = torch.promote_types(query.dtype, torch.float32)
    queries = _rows(query, tiles.query_index, tiles.number).to(at_least_single)
    keys = _rows(key, tiles.source_index, tiles.number).to(at_least_single)
    values = _rows(value, tiles.source_index, tiles.number)
    with _as_written(value.device.type):
        # bmm and not @, which puts a reshape between the transpose and the product: then OpenVINO
        # computes the transpose.
        scores = torch.bmm(queries, keys.transpose(1, 2))
        seen = scores.view(batch, *tiles.outside.shape).masked_fill(tiles.outside, -torch.inf)
        weights = seen.softmax(-1).to(value.dtype).view_as(scores)
        result = torch.bmm(weights, values).view(batch, -1, channels)
    result = result.index_select(1, tiles.restore_index)
    return result.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _as_written(device_type: str) -> AbstractContextManager[object]:
    """Keep autocast away, which would round the scores, and fp32 values such as coordinates."""
    if _autocasts(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()  # what there is nothing to do for is not in an exported graph


def _autocasts(device_type: str) -> bool:
    if device_type == "meta":  # where shapes alone are computed
        return False
    try:
        return bool(torch.is_autocast_enabled(device_type))
    except TypeError:  # before torch 2.4
        is_cpu = device_type == "cpu"
        return torch.is_autocast_cpu_enabled() if is_cpu else torch.is_autocast_enabled()


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
    """Gather pixels of [B, C, H, W] as rows [B · tiles, pixels per tile, C]."""
    batch, channels = features.shape[:2]
    rows = features.permute(0, 2, 3, 1).reshape(batch, -1, channels)
    return rows.index_select(1, index).view(batch * tiles, -1, channels)
