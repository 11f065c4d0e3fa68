# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of the tasks, and MILA's L1 alignment of the fast encoder with the slow one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

UNLABELLED = 255
UNKNOWN_MOTION = 127


def segmentation_loss(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Weighted cross-entropy of logits [B, C, H, W] and class ids [B, H, W], 255 left out."""
    return F.cross_entropy(logits, labels, class_weights, ignore_index=UNLABELLED)


def log_depth_loss(log_depth: Tensor, depth: Tensor, far: Tensor, far_m: float) -> Tensor:
    """L1 between logarithms of depth.

    Args:
        log_depth: Predicted logarithm of canonical metres, [B, 1, H, W].
        depth: True canonical metres, [B, H, W]; 0 where unknown.
        far: bool [B, H, W], pixels known to have nothing within reach, such as the sky; they are
            drawn, with a tenth of the weight, to ``far_m``.
        far_m: Canonical metres beyond the range that the bundle reports.
    """
    known = (depth > 0) & ~far
    target = torch.where(far, torch.full_like(depth, far_m), depth).clamp(1e-3, far_m).log()
    weight = known.float() + 0.1 * far.float()
    error = (log_depth[:, 0] - target).abs() * weight
    return error.sum() / weight.sum().clamp_min(1.0)


def motion_loss(logits: Tensor, motion: Tensor, moving_weight: float = 3.0) -> Tensor:
    """Cross-entropy of logits [B, 2, H, W] and masks [B, H, W].

    In a mask 0 is static, 255 moving and 127 unknown, which is left out.
    ``moving_weight`` makes up for how few pixels move.
    """
    target = (motion > UNKNOWN_MOTION).long().masked_fill_(motion == UNKNOWN_MOTION, UNLABELLED)
    weight = logits.new_tensor([1.0, moving_weight])
    return F.cross_entropy(logits, target, weight, ignore_index=UNLABELLED)


def alignment_loss(slow: Tensor, fast: Tensor) -> Tensor:
    """|Slow(I) − Fast(I)| (MILA, equation 3), which moves the fast encoder only."""
    return (slow.detach() - fast).abs().mean()
