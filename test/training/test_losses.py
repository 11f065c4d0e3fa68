# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from mila_ros.training.losses import (
    alignment_loss,
    log_depth_loss,
    motion_loss,
    segmentation_loss,
)


def test_segmentation_weighs_classes_and_leaves_void_out():
    logits = torch.zeros(1, 3, 1, 3)
    logits[0, 1, 0, 1] = math.log(2.0)  # probabilities 1/4, 1/2, 1/4 there, 1/3 each elsewhere
    labels = torch.tensor([[[0, 1, 255]]])
    loss = segmentation_loss(logits, labels, torch.tensor([1.0, 3.0, 1.0]))
    assert loss.item() == pytest.approx((1 * math.log(3) + 3 * math.log(2)) / (1 + 3))


def test_log_depth_counts_known_pixels_fully_far_ones_a_tenth_and_unknown_not_at_all():
    predicted = torch.tensor([[[[0.0, 1.0, 9.0]]]], requires_grad=True)
    depth = torch.tensor([[[math.e, 0.0, 0.0]]])
    far = torch.tensor([[[False, True, False]]])
    loss = log_depth_loss(predicted, depth, far, far_m=math.exp(5))
    assert loss.item() == pytest.approx((1.0 * 1 + 4.0 * 0.1) / 1.1)
    loss.backward()
    assert predicted.grad[0, 0, 0, 2] == 0


def test_motion_knows_three_values():
    logits = torch.zeros(1, 2, 1, 3)
    logits[0, 1, 0, 1] = math.log(3.0)  # moving with 3/4
    loss = motion_loss(logits, torch.tensor([[[0, 255, 127]]]), moving_weight=3.0)
    assert loss.item() == pytest.approx((math.log(2) + 3 * math.log(4 / 3)) / 4)


def test_alignment_moves_the_fast_features_only():
    slow = torch.tensor([1.0, 2.0], requires_grad=True)
    fast = torch.tensor([0.0, 4.0], requires_grad=True)
    loss = alignment_loss(slow, fast)
    assert loss.item() == 1.5
    loss.backward()
    assert slow.grad is None
    torch.testing.assert_close(fast.grad, torch.tensor([-0.5, 0.5]))
