# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of depth and of surface normals, as the papers define them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .reduction import at_least_single, masked_mean


def log_depth_loss(
    log_depth: Tensor,
    depth: Tensor,
    far: Tensor | None = None,
    far_m: float = 150.0,
    relative: float = 0.0,
) -> Tensor:
    """L1 between logarithms of depth, perhaps with :func:`relative_error` beside it.

    Args:
        log_depth: Predicted logarithm of canonical metres, [B, 1, H, W].
        depth: True canonical metres, [B, H, W]; 0 or NaN where unknown.
        far: bool [B, H, W], pixels known to have nothing within reach, such as the sky; they are
            drawn, with a tenth of the weight, to ``far_m``. None: those of infinite depth.
        far_m: Canonical metres beyond the range that the bundle reports.
        relative: Weight of the relative error of what is not far, which is added.
    """
    log_depth = at_least_single(log_depth)
    far = depth.isinf() if far is None else far
    known = (depth > 0) & ~far
    target = torch.where(known, depth, far_m).clamp(1e-3, far_m).log()
    weight = known.float() + 0.1 * far.float()
    ratio = log_depth[:, 0] - target
    error = ratio.abs() * weight
    if relative:
        error = error + relative * relative_error(ratio) * known
    return error.sum() / weight.sum().clamp_min(1.0)


def relative_error(log_ratio: Tensor) -> Tensor:
    """|predicted / true − 1|, which is what depth is measured by (Eigen et al. 2014, "Abs Rel").

    Between a thing and what is behind it, L1 of logarithms is content with either. To this loss
    twice as far costs twice as much as half as far, so that in doubt the nearer one is said, which
    is what a driver should be told. From e times too far on it grows with the logarithm alone, so
    that a few wild answers do not lead all others.

    Args:
        log_ratio: Logarithm of predicted over true depth, of any shape.
    """
    most = log_ratio.clamp_max(1.0)
    beyond = log_ratio - most
    return (most.exp() + math.e * beyond - 1).abs()


def depth_loss(predicted: Tensor, depth: Tensor) -> Tensor:
    """L1 of depth itself, as MTAN, MILA and MTI-Net have it on NYUD.

    What MTAN and MILA call depth on Cityscapes is disparity: :func:`inverse_depth_loss`.

    Args:
        predicted: [B, 1, H, W], in the unit of ``depth``.
        depth: [B, H, W]; 0, NaN or infinite where unknown.
    """
    error, known = _depth_error(predicted, depth)
    return masked_mean(error.abs(), known)


def inverse_depth_loss(predicted: Tensor, depth: Tensor, unit: float = 1.0) -> Tensor:
    """L1 of ``unit`` / depth, to which what is far away hardly counts (MTAN, MILA on Cityscapes).

    Args:
        predicted: Metres, [B, 1, H, W].
        depth: Metres, [B, H, W]; 0, NaN or infinite where unknown.
        unit: Metres at which the inverse is 1. Cityscapes' PNG over 65535, which the papers
            measure in, is 256 · 0.209 m · 2262 px / 65535 = 1.85 m over the depth.
    """
    known = (depth > 0) & depth.isfinite()
    ours = unit / at_least_single(predicted[:, 0]).clamp_min(1e-3)
    error = ours - unit / depth.masked_fill(~known, 1.0)
    return masked_mean(error.abs(), known)


def huber_depth_loss(
    predicted: Tensor, depth: Tensor, delta: float = 250.0, units_per_metre: float = 256.0
) -> Tensor:
    """Huber's loss in the units of a 16-bit depth image (MultiNet++, equation 5).

    Args:
        predicted: Metres, [B, 1, H, W].
        depth: Metres, [B, H, W]; 0, NaN or infinite where unknown.
        delta: Error, in those units, above which the loss grows linearly.
        units_per_metre: 256 in KITTI's depth images; the paper does not state its own.
    """
    error, known = _depth_error(predicted, depth)
    units = error * units_per_metre
    return masked_mean(
        F.huber_loss(units, torch.zeros_like(units), reduction="none", delta=delta), known
    )


def depth_gradient_loss(predicted: Tensor, depth: Tensor) -> Tensor:
    """L1 between the Sobel gradients of predicted and true depth (ASTMT, after Eigen and Fergus).

    Only pixels whose whole 3×3 neighbourhood is within the image and known count. (The authors'
    program sets unknown depths to zero first, and so learns an edge around every hole.)

    Args:
        predicted: [B, 1, H, W], in the unit of ``depth``.
        depth: [B, H, W]; 0, NaN or infinite where unknown.
    """
    error, known = _depth_error(predicted, depth)
    if min(error.shape[1:]) < 3:
        raise ValueError(f"depth of {tuple(error.shape[1:])} pixels has no 3×3 neighbourhood")
    across = error.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    # The gradient is linear: that of the error is the difference of the two gradients.
    gradients = F.conv2d(error[:, None], torch.stack([across, across.T])[:, None])
    holes = F.max_pool2d((~known).to(error.dtype)[:, None], 3, stride=1)
    return masked_mean(gradients.abs(), (holes == 0).expand_as(gradients))


def smooth_depth_loss(predicted: Tensor, depth: Tensor, gradient_weight: float = 1.0) -> Tensor:
    """:func:`depth_loss` with ``gradient_weight`` times :func:`depth_gradient_loss` (ASTMT)."""
    gradient = depth_gradient_loss(predicted, depth)
    return depth_loss(predicted, depth) + gradient_weight * gradient


def cosine_normals_loss(predicted: Tensor, normals: Tensor) -> Tensor:
    """One minus the cosine of the angle between normals (MTAN, MILA).

    Args:
        predicted: [B, 3, H, W], of any length.
        normals: [B, 3, H, W], of any length; zero or NaN where unknown.
    """
    ours, true, known = _unit_vectors(predicted, normals)
    return masked_mean(1 - (ours * true).sum(1), known)


def l1_normals_loss(predicted: Tensor, normals: Tensor) -> Tensor:
    """L1 between unit vectors, a mean over their components (ASTMT, MTI-Net).

    Args:
        predicted: [B, 3, H, W], of any length.
        normals: [B, 3, H, W], of any length; zero or NaN where unknown.
    """
    ours, true, known = _unit_vectors(predicted, normals)
    return masked_mean((ours - true).abs().mean(1), known)


def _depth_error(predicted: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """Predicted minus true depth [B, H, W], 0 where unknown; and where it is known."""
    known = (depth > 0) & depth.isfinite()
    ours = at_least_single(predicted[:, 0])
    # Not a product with the mask: what is unknown may be NaN, and so would be its gradient.
    return torch.where(known, ours - depth.masked_fill(~known, 0.0), 0.0), known


def _unit_vectors(predicted: Tensor, normals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both as unit vectors [B, 3, H, W], and where the true ones are known [B, H, W]."""
    known = normals.isfinite().all(1) & (normals != 0).any(1)
    true = normals.masked_fill(~known[:, None], 0.0)
    ours = F.normalize(at_least_single(predicted), dim=1, eps=1e-6)
    return ours, F.normalize(true, dim=1, eps=1e-6), known
