# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adversarial training on gradients, against finite differences and a reference in float64."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mila_ros.networks import build_network
from mila_ros.networks.base import at_size
from mila_ros.tasks import DEPTH, NORMALS, SEGMENTATION
from mila_ros.training.losses import build_loss
from mila_ros.training.task_adversarial import (
    TaskDiscriminator,
    combined_loss,
    reversal_strength,
    task_adversarial_loss,
)

TASKS = ("segmentation", "depth", "normals")


class Setting:
    """A small network whose every part is smooth, in float64."""

    def __init__(self, kernel=1):
        torch.manual_seed(0)
        self.shared = nn.Conv2d(3, 6, 3, padding=1).double()
        self.head = nn.Conv2d(6, 4, 1).double()
        self.discriminator = TaskDiscriminator(TASKS, 6, kernel).double()
        self.image = torch.randn(2, 3, 5, 4).double()
        self.labels = torch.randint(0, 4, (2, 5, 4))
        self.labelled = torch.rand(2, 5, 4) > 0.3

    def features(self):
        return self.shared(self.image).tanh()

    def loss(self, features):
        return F.cross_entropy(self.head(features), self.labels)

    def adversarial(self, progress=0.1):
        x = self.features()
        return task_adversarial_loss(
            self.discriminator, self.loss(x), x, "depth", progress, self.labelled
        )


def slope(setting, parameter, direction, step=1e-5):
    """Of the adversarial loss along a direction, by central differences."""
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter += sign * step * direction
        values.append(setting.adversarial().item())
        with torch.no_grad():
            parameter -= sign * step * direction
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("kernel", [1, 3])
def test_double_back_propagation_against_finite_differences(kernel):
    setting = Setting(kernel)
    setting.adversarial().backward()
    reversed_by = -reversal_strength(0.1)
    parts = (
        (setting.shared, reversed_by),
        (setting.head, reversed_by),
        (setting.discriminator, 1.0),
    )
    checked = 0
    for module, factor in parts:
        for parameter in module.parameters():
            direction = torch.randn_like(parameter)
            expected = factor * slope(setting, parameter, direction)
            got = (parameter.grad * direction).sum().item()
            assert got == pytest.approx(expected, rel=1e-5, abs=1e-9)
            checked += abs(got) > 1e-6
    assert checked == 8


def test_the_loss_by_hand():
    """With the gradient of the loss written out, over the labelled pixels."""
    setting = Setting()
    x = setting.features()
    with torch.no_grad():
        error = setting.head(x).softmax(1)
        error -= F.one_hot(setting.labels, 4).permute(0, 3, 1, 2)
        weight = setting.head.weight[:, :, 0, 0]
        gradient = torch.einsum("bchw,cd->bdhw", error, weight) / setting.labels.numel()
        unit = gradient / gradient.pow(2).sum(1, keepdim=True).sqrt()
        logs = setting.discriminator(unit).log_softmax(1)[:, TASKS.index("depth")]
        expected = -logs[setting.labelled].mean()
    torch.testing.assert_close(setting.adversarial(), expected, rtol=1e-9, atol=0)


def test_labels_at_the_images_size_become_those_of_the_features():
    setting = Setting()
    fine = setting.labelled.repeat_interleave(4, 1).repeat_interleave(4, 2)
    coarse = setting.adversarial()
    setting.labelled = fine
    assert torch.equal(setting.adversarial(), coarse)


def test_without_labels_there_is_nothing_to_hide():
    setting = Setting()
    setting.labelled = torch.zeros_like(setting.labelled)
    assert setting.adversarial() == 0


def test_where_the_gradient_is_zero_its_direction_is_none_and_nothing_explodes():
    setting = Setting()
    x = setting.features()
    loss = (x[:, :, :2] ** 2).sum()  # the other rows have no gradient
    task_adversarial_loss(setting.discriminator, loss, x, "depth", 1.0).backward()
    assert setting.shared.weight.grad.isfinite().all()
    assert setting.shared.weight.grad.abs().sum() > 0


def test_the_length_of_the_gradient_does_not_matter():
    setting = Setting()
    x = setting.features()
    pair = [
        task_adversarial_loss(setting.discriminator, weight * setting.loss(x), x, "depth", 0.5)
        for weight in (1, 50)
    ]
    torch.testing.assert_close(*pair)


def test_the_schedule():
    assert reversal_strength(0) == 0
    assert reversal_strength(0.1) == pytest.approx((math.e - 1) / (math.e + 1))
    assert reversal_strength(1) == pytest.approx(1, abs=1e-4)


def test_the_combination_is_equation_5():
    loss, against = torch.tensor(2.0), torch.tensor(3.0)
    assert combined_loss(loss, against).item() == pytest.approx(0.9 * 2 + 0.1 * 3)
    assert combined_loss(loss, against, 0.01).item() == pytest.approx(0.99 * 2 + 0.01 * 3)


@pytest.mark.parametrize(
    ("kernel", "parameters"),
    [(1, 64 * 64 + 64 + 64 * 5 + 5), (3, 9 * 64 * 64 + 64 + 9 * 64 * 5 + 5)],
)
def test_the_discriminators_shape(kernel, parameters):
    discriminator = TaskDiscriminator("abcde", 64, kernel)
    assert sum(p.numel() for p in discriminator.parameters()) == parameters
    assert discriminator(torch.zeros(2, 64, 6, 7)).shape == (2, 5, 6, 7)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="two tasks"):
        TaskDiscriminator(["depth"], 16)
    with pytest.raises(ValueError, match="odd"):
        TaskDiscriminator(TASKS, 16, kernel=2)
    setting = Setting()
    x = setting.features()
    with pytest.raises(ValueError, match="not edges"):
        task_adversarial_loss(setting.discriminator, setting.loss(x), x, "edges", 0.5)


def test_an_astmt_step_updates_the_shared_and_the_tasks_own_weights_only():
    torch.manual_seed(0)
    tasks = (SEGMENTATION.with_channels(5), DEPTH, NORMALS)
    network = build_network("astmt", tasks, width=16, decoder_width=16).train()
    discriminator = TaskDiscriminator(TASKS, 16)
    image = torch.randn(2, 3, 48, 64)
    labels = {
        "segmentation": torch.randint(0, 5, (2, 48, 64)),
        "depth": torch.rand(2, 48, 64) + 1,
        "normals": torch.randn(2, 3, 48, 64),
    }
    optimizer = torch.optim.SGD(
        [*network.parameters(), *discriminator.parameters()], 1e-3, 0.9, weight_decay=1e-4
    )
    for task in tasks:
        own = set(network.parameters_of(task.name))
        others = {p for t in tasks for p in network.parameters_of(t.name)} - own
        before = {p: p.detach().clone() for p in network.parameters()}
        features = network.features(image, task.name)
        logits = at_size({"": network.heads[task.name](features)}, image)[""]
        loss = build_loss(task)(logits, labels[task.name])
        against = task_adversarial_loss(discriminator, loss, features, task.name, 0.5)
        optimizer.zero_grad()
        combined_loss(loss, against).backward()
        optimizer.step()
        assert all(torch.equal(p, before[p]) for p in others)
        changed = {p for p in network.parameters() if not torch.equal(p, before[p])}
        assert changed & own and changed - own - others
        assert all(p.grad.isfinite().all() for p in changed)
        assert all(p.grad.abs().sum() > 0 for p in discriminator.parameters())
