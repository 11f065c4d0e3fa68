# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well the keyframe still explains the current frame, read off what attention compares."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks import State

WINDOW = 5
STRIDE = 4


def best_similarity(
    query: Tensor, key: Tensor, window: int = WINDOW, stride: int = STRIDE
) -> Tensor:
    """The largest cosine between a pixel of one map and the L×L window around it in another.

    Args:
        query, key: [B, C, H, W]: h(.) of the current frame and of the keyframe.
        window: L, odd. Neighbours outside the image do not count.
        stride: Every so-many-th row and column of the query is looked at; the keys are all there.

    Returns:
        [B, ceil(H / stride), ceil(W / stride)], -1 to 1; 0 where a vector is zero.
    """
    height, width = query.shape[2:]
    radius = window // 2
    queries = F.normalize(query.float(), dim=1)[:, :, ::stride, ::stride]
    keys = F.pad(F.normalize(key.float(), dim=1), [radius] * 4)
    inside = F.pad(torch.ones(height, width, dtype=torch.bool, device=key.device), [radius] * 4)
    best = torch.full_like(queries[:, 0], -torch.inf)
    for y in range(window):
        for x in range(window):
            rows, columns = slice(y, y + height, stride), slice(x, x + width, stride)
            cosine = (queries * keys[:, :, rows, columns]).sum(1)
            best = best.maximum(cosine.masked_fill(~inside[rows, columns], -torch.inf))
    return best


def keyframe_evidence(state: State) -> float | None:
    """The mean of :func:`best_similarity` over pixels and branches.

    Args:
        state: After a frame between, which is then ``state.last``.

    Returns:
        -1 to 1; None when the state has no keyframe and frame of the same branch.
    """
    pairs = [(state.last[name], key) for name, key in state.key.items() if name in state.last]
    if not pairs:
        return None
    means = [best_similarity(last.embedding, key.embedding).mean() for last, key in pairs]
    return float(torch.stack(means).mean())
