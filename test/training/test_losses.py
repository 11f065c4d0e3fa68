# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mila_ros.errors import MilaError
from mila_ros.tasks import DEPTH, EDGES, HUMAN_PARTS, MOTION, NORMALS, SALIENCY, SEGMENTATION, Task
from mila_ros.training.losses import (
    LOSSES,
    alignment_loss,
    build_loss,
    edge_loss,
    human_parts_loss,
    jaccard_loss,
    motion_loss,
    saliency_loss,
    segmentation_loss,
)

NAN, INF = math.nan, math.inf
FOUR = SEGMENTATION.with_channels(4)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softplus(x):
    return math.log1p(math.exp(x))


def test_segmentation_weighs_classes_and_leaves_void_out():
    logits = torch.zeros(1, 3, 1, 3)
    logits[0, 1, 0, 1] = math.log(2.0)  # probabilities 1/4, 1/2, 1/4 there, 1/3 each elsewhere
    labels = torch.tensor([[[0, 1, 255]]])
    loss = segmentation_loss(logits, labels, torch.tensor([1.0, 3.0, 1.0]))
    assert loss.item() == pytest.approx((1 * math.log(3) + 3 * math.log(2)) / (1 + 3))
    plain = segmentation_loss(logits, labels.to(torch.uint8))
    assert plain.item() == pytest.approx((math.log(3) + math.log(2)) / 2)


def test_segmentation_is_pytorchs_weighted_mean_with_small_weights_too():
    logits, weights = random(2, 5, 4, 3), torch.tensor([0.01, 0.02, 1e-3, 0.5, 0.04])
    labels = torch.randint(0, 5, (2, 4, 3), generator=torch.Generator().manual_seed(1))
    labels[0, 0] = 255
    expected = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=255)
    torch.testing.assert_close(segmentation_loss(logits, labels, weights), expected)


def test_jaccard_is_the_iou_of_probabilities_over_the_classes_there_are():
    logits = torch.zeros(1, 3, 1, 4)
    logits[0, 1, 0, 1] = math.log(2.0)  # probabilities 1/4, 1/2, 1/4 there, 1/3 each elsewhere
    labels = torch.tensor([[[0, 1, 0, 255]]])
    # Of class 0: hit 2/3, said 1/3 + 1/4 + 1/3, true 2. Of class 1: 1/2, 1/3 + 1/2 + 1/3, 1.
    first = (2 / 3) / (11 / 12 + 2 - 2 / 3)
    second = (1 / 2) / (7 / 6 + 1 - 1 / 2)
    assert jaccard_loss(logits, labels).item() == pytest.approx(1 - (first + second) / 2)
    both = segmentation_loss(logits, labels, None, jaccard=0.5)
    expected = segmentation_loss(logits, labels) + 0.5 * jaccard_loss(logits, labels)
    torch.testing.assert_close(both, expected)


def test_jaccard_of_sure_answers_is_one_less_miou():
    generator = torch.Generator().manual_seed(3)
    labels, said = torch.randint(0, 4, (2, 2, 8, 8), generator=generator)
    logits = 60.0 * torch.nn.functional.one_hot(said, 5).permute(0, 3, 1, 2).float()
    ious = [
        ((labels == c) & (said == c)).sum() / ((labels == c) | (said == c)).sum() for c in range(4)
    ]
    assert jaccard_loss(logits, labels).item() == pytest.approx(1 - np.mean(ious), abs=1e-6)
    nothing = jaccard_loss(logits.requires_grad_(), torch.full_like(labels, 255))
    nothing.backward()
    assert nothing.item() == 0 and logits.grad.eq(0).all()


def test_human_parts_skip_images_without_people():
    logits = torch.zeros(3, 7, 1, 2, requires_grad=True)
    parts = torch.tensor([[[0, 3]], [[0, 0]], [[255, 0]]])
    loss = human_parts_loss(logits, parts)
    assert loss.item() == pytest.approx(math.log(7))
    loss.backward()
    assert logits.grad[0].ne(0).all() and logits.grad[1:].eq(0).all()


def test_motion_knows_three_values():
    logits = torch.zeros(1, 2, 1, 3)
    logits[0, 1, 0, 1] = math.log(3.0)  # moving with 3/4
    mask = torch.tensor([[[0, 255, 127]]])
    loss = motion_loss(logits, mask, moving_weight=3.0)
    assert loss.item() == pytest.approx((math.log(2) + 3 * math.log(4 / 3)) / 4)
    # Static: hit 1/2, said 1/2 + 1/4, true 1. Moving: 3/4, 3/4 + 1/2, 1. What is unknown: neither.
    both = motion_loss(logits, mask, moving_weight=3.0, jaccard=2.0)
    soft_iou = (0.5 / (0.75 + 1 - 0.5) + 0.75 / (1.25 + 1 - 0.75)) / 2
    assert both.item() == pytest.approx(loss.item() + 2 * (1 - soft_iou))


def test_edges_have_fixed_weights():
    logits = torch.tensor([[[[1.0, 2.0, 7.0]]], [[[-3.0, 7.0, 7.0]]]])
    edges = torch.tensor([[[1, 0, 255]], [[0, 255, 255]]], dtype=torch.uint8)
    expected = (0.95 * softplus(-1) + 0.05 * softplus(2) + 0.05 * softplus(-3)) / 3
    assert edge_loss(logits, edges).item() == pytest.approx(expected)
    expected = (0.8 * softplus(-1) + 0.2 * softplus(2) + 0.2 * softplus(-3)) / 3
    assert edge_loss(logits, edges.float(), positive_weight=0.8).item() == pytest.approx(expected)


def test_saliency_is_balanced_in_each_image():
    logits = torch.tensor([[[[1.0, 2.0, -1.0, 0.5]]], [[[3.0, 1.0, 9.0, 9.0]]]])
    salient = torch.tensor([[[1, 0, 0, 0]], [[1, 0, 255, 255]]], dtype=torch.uint8)
    first = 0.75 * softplus(-1) + 0.25 * (softplus(2) + softplus(-1) + softplus(0.5))
    second = 0.5 * softplus(-3) + 0.5 * softplus(1)
    assert saliency_loss(logits, salient).item() == pytest.approx((first + second) / 6)


def test_saliency_of_images_with_and_of_nothing_salient_is_finite():
    logits = random(2, 1, 3, 3).requires_grad_()
    labels = torch.stack([torch.zeros(3, 3), torch.ones(3, 3)])
    loss = saliency_loss(logits, labels)  # as defined: nothing to balance against weighs nothing
    loss.backward()
    assert loss == 0 and logits.grad.eq(0).all()


CASES = {
    "cross_entropy": (SEGMENTATION.with_channels(4), torch.full((2, 4, 5), 255)),
    "log_l1": (DEPTH, torch.zeros(2, 4, 5)),
    "l1": (DEPTH, torch.full((2, 4, 5), NAN)),
    "inverse_l1": (DEPTH, torch.full((2, 4, 5), NAN)),
    "huber": (DEPTH, torch.zeros(2, 4, 5)),
    "smooth_l1": (DEPTH, torch.full((2, 4, 5), NAN)),
    "motion_cross_entropy": (MOTION, torch.full((2, 4, 5), 127)),
    "cosine": (NORMALS, torch.zeros(2, 3, 4, 5)),
    "unit_l1": (NORMALS, torch.full((2, 3, 4, 5), NAN)),
    "edge_cross_entropy": (EDGES, torch.full((2, 4, 5), 255)),
    "balanced_cross_entropy": (SALIENCY, torch.full((2, 4, 5), 255)),
    "human_parts_cross_entropy": (HUMAN_PARTS, torch.zeros(2, 4, 5)),
}


def test_every_loss_is_tried_without_labels():
    assert set(CASES) == set(LOSSES)


@pytest.mark.parametrize("name", CASES)
def test_without_a_label_the_loss_is_zero_and_teaches_nothing(name):
    task, labels = CASES[name]
    logits = random(2, task.channels, 4, 5).requires_grad_()
    loss = build_loss(task, name)(logits, labels)
    loss.backward()
    assert loss == 0 and logits.grad.eq(0).all()


@pytest.mark.parametrize("name", CASES)
def test_an_unlabelled_image_beside_a_labelled_one_changes_nothing(name):
    """Pixels are pooled: a batch of images with different numbers of labels has no average."""
    task, void = CASES[name]
    labels = void.clone()
    known = {"segmentation": 1, "motion": 255, "human_parts": 2, "edges": 1, "saliency": 1}
    labels[0] = known.get(task.name, 3)
    labels[0, ..., 3:] = 0 if task.name in known else 3.5
    logits = random(2, task.channels, 4, 5)
    criterion = build_loss(task, name)
    alone = criterion(logits[:1], labels[:1])
    assert alone > 0
    torch.testing.assert_close(criterion(logits, labels), alone)


@pytest.mark.parametrize("name", CASES)
def test_mixed_precision_is_computed_in_single(name):
    task, labels = CASES[name]
    labels = torch.ones_like(labels)
    logits = random(2, task.channels, 4, 5).bfloat16()
    loss = build_loss(task, name)(logits, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, build_loss(task, name)(logits.float(), labels))


def test_losses_of_depth_itself_take_what_the_logits_mean():
    log_depth, depth = torch.tensor([[[[math.log(3.0)]]]]), torch.tensor([[[5.0]]])
    assert build_loss(DEPTH, "l1")(log_depth, depth).item() == pytest.approx(2)
    linear = Task("depth", channels=1, activation="identity")
    assert build_loss(linear, "l1")(log_depth.exp(), depth).item() == pytest.approx(2)
    assert build_loss(DEPTH)(log_depth, depth).item() == pytest.approx(math.log(5 / 3))


def test_a_configuration_chooses_a_loss_and_its_arguments():
    logits, depth = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1), 3.0)
    huber = build_loss(DEPTH, "huber", delta=1.0, units_per_metre=1.0)
    assert huber(logits, depth).item() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("task", "name", "arguments", "message"),
    [
        (DEPTH, "cosine", {}, "depth has no loss 'cosine'; choose one of log_l1, l1, inverse_l1"),
        (DEPTH, "huber", {"sigma": 1}, "no argument 'sigma'; it takes delta, units_per_metre"),
        (DEPTH, "huber", {"delta": "2.5e2"}, "delta must be a number, not '2.5e2'"),
        (HUMAN_PARTS, None, {"x": 1}, "no argument 'x'; it takes none"),
        (Task("depth", 1, "identity"), "log_l1", {}, "for exp logits, and those of depth are id"),
        (Task("weather", 3, "softmax"), None, {}, "no loss for a task 'weather'"),
        (FOUR, None, {"class_weights": [1, 2, 3]}, "a list of 4 numbers, one per class, not of 3"),
        (FOUR, None, {"class_weights": torch.ones(1)}, "one per class, not of 1$"),
        (FOUR, None, {"class_weights": 0.5}, "be a list of 4 numbers, one per class$"),
        (FOUR, None, {"class_weights": ["a", "b", "c", "d"]}, "a list of 4 numbers, one per class"),
    ],
)
def test_what_does_not_fit_is_said(task, name, arguments, message):
    with pytest.raises(MilaError, match=message):
        build_loss(task, name, **arguments)


def test_class_weights_may_be_a_list_or_none():
    logits, labels = random(1, 4, 2, 2), torch.tensor([[[0, 1], [2, 3]]])
    listed = build_loss(FOUR, class_weights=[1.0, 2.0, 0.5, 3])
    expected = segmentation_loss(logits, labels, torch.tensor([1.0, 2.0, 0.5, 3.0]))
    torch.testing.assert_close(listed(logits, labels), expected)
    plain = build_loss(FOUR, class_weights=None)(logits, labels)
    torch.testing.assert_close(plain, segmentation_loss(logits, labels))


def test_alignment_moves_the_fast_features_only():
    slow = torch.tensor([1.0, 2.0], requires_grad=True)
    fast = torch.tensor([0.0, 4.0], requires_grad=True)
    loss = alignment_loss(slow, fast)
    assert loss.item() == 1.5
    loss.backward()
    assert slow.grad is None
    torch.testing.assert_close(fast.grad, torch.tensor([-0.5, 0.5]))
