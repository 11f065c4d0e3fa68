# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of depth and surface normals: values by hand, what is unknown, and their bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mila_ros.training.geometry_losses import (
    cosine_normals_loss,
    depth_gradient_loss,
    depth_loss,
    huber_depth_loss,
    inverse_depth_loss,
    l1_normals_loss,
    log_depth_loss,
    relative_error,
    smooth_depth_loss,
)

NAN, INF = math.nan, math.inf


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_log_depth_counts_known_pixels_fully_far_ones_a_tenth_and_unknown_not_at_all():
    predicted = torch.tensor([[[[0.0, 1.0, 9.0, 9.0]]]], requires_grad=True)
    depth = torch.tensor([[[math.e, 0.0, 0.0, NAN]]])
    far = torch.tensor([[[False, True, False, False]]])
    loss = log_depth_loss(predicted, depth, far, far_m=math.exp(5))
    assert loss.item() == pytest.approx((1.0 * 1 + 4.0 * 0.1) / 1.1)
    loss.backward()
    assert predicted.grad[0, 0, 0, 2:].tolist() == [0, 0]
    infinite = log_depth_loss(predicted, torch.tensor([[[math.e, INF, 0, NAN]]]), far_m=math.exp(5))
    assert infinite.item() == pytest.approx(loss.item())


def test_relative_error_of_depth_is_added_where_depth_is_known_and_bounded_from_e_times_on():
    ratios = [0.5, 1.0, 2.0, math.exp(3)]
    expected = [0.5, 0.0, 1.0, math.e - 1 + 2 * math.e]
    log_ratio = torch.tensor(ratios, dtype=torch.float64).log().requires_grad_()
    error = relative_error(log_ratio)
    assert error.tolist() == pytest.approx(expected)
    assert torch.autograd.gradcheck(relative_error, log_ratio[[0, 2, 3]].detach().requires_grad_())
    depth = torch.tensor([[[3.0, 3.0, 3.0, 3.0, INF, 0.0]]])
    predicted = (torch.tensor([*ratios, 7.0, 7.0]) * 3).log().view(1, 1, 1, 6)
    plain = log_depth_loss(predicted, depth, far_m=100.0)
    both = log_depth_loss(predicted, depth, far_m=100.0, relative=2.0)
    assert (both - plain).item() == pytest.approx(2 * sum(expected) / 4.1)


def test_in_doubt_between_two_depths_relative_error_says_the_nearer_one():
    depth = torch.tensor([[[4.0, 4.0, 8.0, 8.0]]])
    near, between, far = (
        log_depth_loss(torch.full((1, 1, 1, 4), math.log(m)), depth, relative=1.0)
        for m in (4.0, 5.7, 8.0)
    )
    assert near < between < far


DEPTHS = torch.tensor([[[2.0, 0.0, NAN, INF]], [[4.0, 5.0, 0.0, 0.0]]])  # three are known


def test_depth_is_pooled_over_the_known_pixels_of_the_batch():
    predicted = torch.tensor([[[[3.0, 9.0, 9.0, 9.0]]], [[[4.0, 2.0, 9.0, 9.0]]]])
    predicted.requires_grad_()
    loss = depth_loss(predicted, DEPTHS)
    assert loss.item() == pytest.approx((1 + 0 + 3) / 3)
    loss.backward()
    assert predicted.grad.flatten().tolist() == pytest.approx([1 / 3, 0, 0, 0, 0, -1 / 3, 0, 0])


def test_inverse_depth_is_what_cityscapes_png_says():
    """p = 256 · baseline · fx / depth: Cityscapes' camera, and MTAN's unit of p / 65535."""
    png = 256 * 0.209313 * 2262.52 / np.array([10.0, 50.0]) / 65535
    wrong = 256 * 0.209313 * 2262.52 / np.array([11.0, 100.0]) / 65535
    loss = inverse_depth_loss(
        torch.tensor([[[[11.0, 100.0, 7.0, 7.0]]]]), torch.tensor([[[10.0, 50.0, 0.0, INF]]]), 1.85
    )
    assert loss.item() == pytest.approx(np.abs(png - wrong).mean(), rel=1e-3)


def test_huber_is_square_up_to_250_units_and_linear_beyond():
    predicted = torch.tensor([[[[2.5, 9.0, 9.0, 9.0]]], [[[6.0, 5.0, 9.0, 9.0]]]])
    inside, beyond = 0.5 * 128**2, 250 * (512 - 125)  # half a metre and two, in units of 1/256 m
    loss = huber_depth_loss(predicted, DEPTHS)
    assert loss.item() == pytest.approx((inside + beyond + 0) / 3)
    in_metres = huber_depth_loss(predicted, DEPTHS, delta=1.0, units_per_metre=1.0)
    assert in_metres.item() == pytest.approx((0.125 + 1.5 + 0) / 3)


def test_depth_gradient_of_a_plane_by_hand():
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    true = (10 + x)[None]
    predicted = (20 + 1.5 * x + 2 * y)[None, None]
    # Sobel's kernels give eight times the slope, which is wrong by 0.5 across and 2 down.
    assert depth_gradient_loss(predicted, true).item() == pytest.approx(8 * (0.5 + 2) / 2)
    smooth = smooth_depth_loss(predicted, true, gradient_weight=0.5)
    offset = (10 + 0.5 * x + 2 * y).mean().item()
    assert smooth.item() == pytest.approx(offset + 0.5 * 10)


def test_depth_gradient_against_a_loop_with_holes():
    predicted, true = random(2, 1, 6, 7).exp(), random(2, 6, 7, seed=1).exp()
    true[0, 2, 3], true[1, 0, 0], true[1, 5, 6] = 0, NAN, INF
    kernel = np.outer([1, 2, 1], [-1, 0, 1])
    total, count = 0.0, 0
    for b in range(2):
        for i in range(4):
            for j in range(5):
                t = true[b, i : i + 3, j : j + 3].numpy().astype(np.float64)
                if np.isfinite(t).all() and (t > 0).all():
                    p = predicted[b, 0, i : i + 3, j : j + 3].numpy().astype(np.float64)
                    for k in (kernel, kernel.T):
                        total += abs((k * p).sum() - (k * t).sum())
                    count += 2
    assert count == 2 * (40 - 9 - 2)
    assert depth_gradient_loss(predicted, true).item() == pytest.approx(total / count, rel=1e-5)


def test_a_hole_makes_no_depth_edge():
    true = torch.full((1, 7, 7), 5.0)
    true[0, 3, 3] = 0
    assert depth_gradient_loss(torch.full((1, 1, 7, 7), 8.0), true) == 0


def test_depth_of_a_single_row_has_no_gradient_and_says_so():
    with pytest.raises(ValueError, match="neighbourhood"):
        depth_gradient_loss(torch.ones(1, 1, 1, 9), torch.ones(1, 1, 9))


NORMAL = torch.tensor([[0.0, 0, 1], [0, 1, 0], [0, 0, 0], [NAN, 0, 0]]).T.reshape(1, 3, 1, 4)
SAID = torch.tensor([[0.0, 3, 4], [0, -2, 0], [1, 1, 1], [1, 1, 1]]).T.reshape(1, 3, 1, 4)


def test_normals_by_angle_and_by_component():
    ours = SAID.clone().requires_grad_()
    loss = cosine_normals_loss(ours, 2 * NORMAL)  # cosines 0.8 and −1, two pixels unknown
    assert loss.item() == pytest.approx((0.2 + 2) / 2)
    loss.backward()
    assert ours.grad[..., 2:].eq(0).all() and ours.grad.isfinite().all()
    by_component = l1_normals_loss(SAID, 2 * NORMAL)  # |0.6| + |−0.2|, and 2, each over three
    assert by_component.item() == pytest.approx((0.8 / 3 + 2 / 3) / 2)
