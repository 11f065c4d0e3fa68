# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
"""Local attention for CUDA, forward and backward, on NHWC maps. Importing this needs triton.

A program does a small tile of pixels. The pixels in reach of the tile, its halo, are walked in
chunks; inner products of the tile with a chunk are dense matrix products (tensor cores), and pairs
that are not in each other's window, or outside the image, are masked by their coordinates. The
softmax is the usual online one, in fp32.

The backward pass needs no atomics: a source pixel is seen by exactly the queries of its own
window, so that dk and dv are the same walk with the roles of query and source swapped. Of the
forward pass it keeps the logarithm of each softmax's sum, one float a pixel.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["backward", "configuration", "forward"]


@triton.jit
def _tile(tile, image, H, W, ACROSS, BH: tl.constexpr, BW: tl.constexpr):
    """Row and column of each pixel of a tile, whether it is in the image, and its place in NHWC."""
    m = tl.arange(0, BH * BW)
    y = (tile // ACROSS) * BH + m // BW
    x = (tile % ACROSS) * BW + m % BW
    return y, x, (y < H) & (x < W), ((image * H + y) * W + x).to(tl.int64)


@triton.jit
def _halo(
    chunk, tile, image, H, W, ACROSS,
    R: tl.constexpr, BH: tl.constexpr, BW: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """The same for one chunk of the pixels within R of a tile."""
    j = chunk * BN + tl.arange(0, BN)
    y = (tile // ACROSS) * BH - R + j // (BW + 2 * R)
    x = (tile % ACROSS) * BW - R + j % (BW + 2 * R)
    inside = (j < (BH + 2 * R) * (BW + 2 * R)) & (y >= 0) & (y < H) & (x >= 0) & (x < W)
    return y, x, inside, ((image * H + y) * W + x).to(tl.int64)


@triton.jit
def _near(y, x, inside, other_y, other_x, other_inside, R: tl.constexpr):
    dy = y[:, None] - other_y[None, :]
    dx = x[:, None] - other_x[None, :]
    near = (dy <= R) & (dy >= -R) & (dx <= R) & (dx >= -R)
    return near & inside[:, None] & other_inside[None, :]


@triton.jit
def _rows(MAP, at, inside, channel, C: tl.constexpr):
    """Channels of pixels, [pixels, channels], 0 where there are none."""
    mask = inside[:, None] & (channel < C)[None, :]
    return tl.load(MAP + at[:, None] * C + channel[None, :], mask=mask, other=0.0)


@triton.jit
def _store(MAP, at, inside, channel, C: tl.constexpr, rows):
    mask = inside[:, None] & (channel < C)[None, :]
    tl.store(MAP + at[:, None] * C + channel[None, :], rows.to(MAP.dtype.element_ty), mask=mask)


@triton.jit
def _products(
    A, a_at, a_inside, B, b_at, b_inside,
    C: tl.constexpr, M: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Inner products of M pixels of A with BN pixels of B over C channels."""
    total = tl.zeros((M, BN), tl.float32)
    k = tl.arange(0, BK)
    for c in range(0, C, BK):
        a = _rows(A, a_at, a_inside, c + k, C)
        b = tl.load(
            B + b_at[None, :] * C + (c + k)[:, None],
            mask=b_inside[None, :] & (c + k < C)[:, None],
            other=0.0,
        )
        total = tl.dot(a, b, total, input_precision=PRECISION)
    return total


@triton.jit
def forward_kernel(
    Q, K, V, OUT, LSE, H, W, ACROSS,
    CQ: tl.constexpr, C: tl.constexpr, R: tl.constexpr, BH: tl.constexpr, BW: tl.constexpr,
    BN: tl.constexpr, BK: tl.constexpr, BC: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Grid: tiles, images, blocks of BC channels."""
    M: tl.constexpr = BH * BW
    CHUNKS: tl.constexpr = ((BH + 2 * R) * (BW + 2 * R) + BN - 1) // BN
    tile = tl.program_id(0)
    image = tl.program_id(1)
    block = tl.program_id(2)
    qy, qx, q_inside, q_at = _tile(tile, image, H, W, ACROSS, BH, BW)
    channel = block * BC + tl.arange(0, BC)
    largest = tl.full((M,), float("-inf"), tl.float32)
    total = tl.zeros((M,), tl.float32)
    result = tl.zeros((M, BC), tl.float32)
    for chunk in range(0, CHUNKS):
        ky, kx, k_inside, k_at = _halo(chunk, tile, image, H, W, ACROSS, R, BH, BW, BN)
        s = _products(Q, q_at, q_inside, K, k_at, k_inside, CQ, M, BN, BK, PRECISION)
        s = tl.where(_near(qy, qx, q_inside, ky, kx, k_inside, R), s, float("-inf"))
        now = tl.maximum(largest, tl.max(s, 1))
        base = tl.where(now == float("-inf"), 0.0, now)  # nothing seen yet
        p = tl.exp(s - base[:, None])
        shrink = tl.exp(largest - base)
        total = total * shrink + tl.sum(p, 1)
        v = _rows(V, k_at, k_inside, channel, C)
        result = tl.dot(p.to(v.dtype), v, result * shrink[:, None], input_precision=PRECISION)
        largest = now
    total = tl.where(total == 0.0, 1.0, total)  # pixels of the tile beyond the image
    _store(OUT, q_at, q_inside, channel, C, result / total[:, None])
    if block == 0:
        tl.store(LSE + q_at, largest + tl.log(total), mask=q_inside)


@triton.jit
def query_kernel(
    Q, K, V, G, LSE, DELTA, DQ, H, W, ACROSS,
    CQ: tl.constexpr, C: tl.constexpr, R: tl.constexpr, BH: tl.constexpr, BW: tl.constexpr,
    BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """For dq = sum of ds k, ds = p (g·v - delta). Grid: tiles, images, blocks of BK channels."""
    M: tl.constexpr = BH * BW
    CHUNKS: tl.constexpr = ((BH + 2 * R) * (BW + 2 * R) + BN - 1) // BN
    tile = tl.program_id(0)
    image = tl.program_id(1)
    qy, qx, q_inside, q_at = _tile(tile, image, H, W, ACROSS, BH, BW)
    lse = tl.load(LSE + q_at, mask=q_inside, other=0.0)
    delta = tl.load(DELTA + q_at, mask=q_inside, other=0.0)
    channel = tl.program_id(2) * BK + tl.arange(0, BK)
    result = tl.zeros((M, BK), tl.float32)
    for chunk in range(0, CHUNKS):
        ky, kx, k_inside, k_at = _halo(chunk, tile, image, H, W, ACROSS, R, BH, BW, BN)
        s = _products(Q, q_at, q_inside, K, k_at, k_inside, CQ, M, BN, BK, PRECISION)
        dp = _products(G, q_at, q_inside, V, k_at, k_inside, C, M, BN, BK, PRECISION)
        near = _near(qy, qx, q_inside, ky, kx, k_inside, R)
        p = tl.where(near, tl.exp(tl.where(near, s - lse[:, None], 0.0)), 0.0)
        k = _rows(K, k_at, k_inside, channel, CQ)
        ds = (p * (dp - delta[:, None])).to(k.dtype)
        result = tl.dot(ds, k, result, input_precision=PRECISION)
    _store(DQ, q_at, q_inside, channel, CQ, result)


@triton.jit
def source_kernel(
    Q, K, V, G, LSE, DELTA, DK, DV, H, W, ACROSS,
    CQ: tl.constexpr, C: tl.constexpr, R: tl.constexpr, BH: tl.constexpr, BW: tl.constexpr,
    BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """For dk = sum of ds q and dv = sum of p g. Grid: tiles, images, blocks of [dk | dv]."""
    M: tl.constexpr = BH * BW
    CHUNKS: tl.constexpr = ((BH + 2 * R) * (BW + 2 * R) + BN - 1) // BN
    BLOCKS: tl.constexpr = (CQ + BK - 1) // BK
    tile = tl.program_id(0)
    image = tl.program_id(1)
    block = tl.program_id(2)
    ky, kx, k_inside, k_at = _tile(tile, image, H, W, ACROSS, BH, BW)
    of_key = block < BLOCKS
    channel = tl.where(of_key, block, block - BLOCKS) * BK + tl.arange(0, BK)
    result = tl.zeros((M, BK), tl.float32)
    for chunk in range(0, CHUNKS):
        qy, qx, q_inside, q_at = _halo(chunk, tile, image, H, W, ACROSS, R, BH, BW, BN)
        lse = tl.load(LSE + q_at, mask=q_inside, other=0.0)
        s = _products(K, k_at, k_inside, Q, q_at, q_inside, CQ, M, BN, BK, PRECISION)
        near = _near(ky, kx, k_inside, qy, qx, q_inside, R)
        p = tl.where(near, tl.exp(tl.where(near, s - lse[None, :], 0.0)), 0.0)
        if of_key:
            delta = tl.load(DELTA + q_at, mask=q_inside, other=0.0)
            dp = _products(V, k_at, k_inside, G, q_at, q_inside, C, M, BN, BK, PRECISION)
            q = _rows(Q, q_at, q_inside, channel, CQ)
            ds = (p * (dp - delta[None, :])).to(q.dtype)
            result = tl.dot(ds, q, result, input_precision=PRECISION)
        else:
            g = _rows(G, q_at, q_inside, channel, C)
            result = tl.dot(p.to(g.dtype), g, result, input_precision=PRECISION)
    if of_key:
        _store(DK, k_at, k_inside, channel, CQ, result)
    else:
        _store(DV, k_at, k_inside, channel, C, result)


def configuration(window: int, dtype: torch.dtype, backward: bool) -> dict[str, int | str]:
    """Sizes of tiles, chunks and channel blocks, and warps.

    With 4×8 queries and a window of 5 the halo has 96 pixels, whole chunks without waste. Products
    of float32 maps are exact, not TF32, and take smaller blocks, and the gradients of wide windows
    more warps, so that no register spills.
    """
    single = dtype == torch.float32
    return {
        "R": window // 2,
        "BH": 4,
        "BW": 8 if window <= 7 else 16,
        "BN": 16 if single else 32,
        "BK": 32 if single else 64,
        "PRECISION": "ieee" if single else "tf32",
        "num_warps": 8 if backward and window > 7 else 4,
    }


def _nhwc(*maps: Tensor) -> list[Tensor]:
    return [t.contiguous(memory_format=torch.channels_last) for t in maps]


def forward(query: Tensor, key: Tensor, value: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Local attention, and log-sum-exp of every pixel's scores, float32 [B, H, W]."""
    q, k, v = _nhwc(query, key, value)
    batch, channels, height, width = v.shape
    out = torch.empty_like(v, memory_format=torch.channels_last)
    lse = torch.empty(batch, height, width, dtype=torch.float32, device=v.device)
    sizes = configuration(window, v.dtype, backward=False)
    across = triton.cdiv(width, sizes["BW"])
    most = 64 if v.dtype == torch.float32 else 256
    block = max(16, min(most, triton.next_power_of_2(channels)))
    grid = (across * triton.cdiv(height, sizes["BH"]), batch, triton.cdiv(channels, block))
    forward_kernel[grid](
        q, k, v, out, lse, height, width, across, CQ=q.shape[1], C=channels, BC=block, **sizes
    )
    return out, lse


def backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor, lse: Tensor,
    window: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of query, key and value, from the output's gradient and what `forward` gave."""
    g, q, k, v, out = _nhwc(gradient, query, key, value, out)
    batch, channels, height, width = v.shape
    query_channels = q.shape[1]
    delta = (g.float() * out.float()).sum(1)
    to_query, to_key, to_value = (
        torch.empty_like(t, memory_format=torch.channels_last) for t in (q, k, v)
    )
    sizes = configuration(window, v.dtype, backward=True)
    across = triton.cdiv(width, sizes["BW"])
    tiles = across * triton.cdiv(height, sizes["BH"])
    blocks = triton.cdiv(query_channels, sizes["BK"])
    shape = {"CQ": query_channels, "C": channels, **sizes}
    inputs = (q, k, v, g, lse, delta.contiguous())
    query_kernel[(tiles, batch, blocks)](*inputs, to_query, height, width, across, **shape)
    blocks += triton.cdiv(channels, sizes["BK"])
    source_kernel[(tiles, batch, blocks)](*inputs, to_key, to_value, height, width, across, **shape)
    return to_query, to_key, to_value
