# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inter-frame local attention, the operator of MILA (equations 1 and 2).

Every pixel of the query frame takes a weighted mean of the source frame's values in the L×L window
around it; the weights are a softmax over inner products. Neighbours outside the image get no
weight: zero padding would give them weight e⁰. Scores are not scaled.

One function, several implementations that give the same values: see
:mod:`~mila_ros.networks.local_attention.backends` for which is taken when.
"""

from __future__ import annotations

from torch import Tensor

from .backends import (
    choose,
    local_attention_backend,
    local_attention_in_use,
    prepare_local_attention,
    unavailable,
)
from .reference import check, global_attention, inter_frame_local_attention_reference

__all__ = [
    "global_attention",
    "inter_frame_local_attention",
    "inter_frame_local_attention_reference",
    "local_attention_backend",
    "local_attention_in_use",
    "prepare_local_attention",
    "unavailable",
]


def inter_frame_local_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Propagate ``value`` from a source frame to the query frame.

    Differentiable, on any device. Memory grows with the maps, not with L² times the maps.
    ``channels_last`` maps are taken as they are; others are copied first.

    Args:
        query: h(f_k) of the current frame, [B, Cq, H, W].
        key: h(f_t) of the source frame, [B, Cq, H, W].
        value: f_t of the source frame, [B, C, H, W].
        window: L, odd and at least 1; 5 in the paper.

    Returns:
        f_{t→k}, [B, C, H, W], channels_last, in the dtype of ``value``. Scores and softmax are
        taken in at least fp32.

    Raises:
        ValueError: When shapes do not fit each other or the window is not odd.
    """
    check(query, key, value, window)
    return choose(query, key, value, window)(query, key, value, window)
