# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adversarial alignment: one backward pass does what two objectives say."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mila_ros.training.adversarial import (
    FeatureDiscriminator,
    adversarial_loss,
    reverse_gradient,
)

CHANNELS = 32


def features(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, CHANNELS, 6, 7, generator=generator).requires_grad_()


def discriminator():
    torch.manual_seed(0)
    return FeatureDiscriminator(CHANNELS)


def test_reversal_keeps_values_and_negates_gradients():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x, 0.3)
    assert torch.equal(y, x)
    (y * torch.tensor([2.0, 5.0])).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([-0.6, -1.5]))


def test_the_discriminator_is_the_supplements():
    shapes = [tuple(p.shape) for p in FeatureDiscriminator(512).parameters()]
    assert shapes == [(256, 512, 3, 3), (256,), (128, 256, 3, 3), (128,), (1, 128, 3, 3), (1,)]


@torch.no_grad()
def test_the_discriminator_by_hand():
    judge, x = discriminator(), features(0)
    first, _, second, _, third = judge.convolutions
    for layer in (first, second):
        x = F.conv2d(x, layer.weight, layer.bias, padding=1).clamp_min(0)
    x = F.conv2d(x, third.weight, third.bias, padding=1)
    torch.testing.assert_close(judge(features(0)), x.flatten(1).mean(1))


@torch.no_grad()
def test_the_discriminator_can_call_features_fast():
    """A ReLU after the last convolution would keep the logit from going below zero."""
    judge = discriminator()
    judge.convolutions[-1].bias.fill_(-5.0)
    assert (judge(features(0)) < 0).all()


def test_too_few_channels():
    with pytest.raises(ValueError, match="4 channels"):
        FeatureDiscriminator(3)


def test_an_undecided_discriminator_costs_two_log_two():
    judge = discriminator()
    torch.nn.init.zeros_(judge.convolutions[-1].weight)
    torch.nn.init.zeros_(judge.convolutions[-1].bias)
    loss = adversarial_loss(judge, features(0), features(1))
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_one_backward_pass_is_both_players_own_gradient():
    """The discriminator descends equation 3's negative; the fast features climb it."""
    slow, fast, judge = features(0), features(1), discriminator()
    adversarial_loss(judge, slow, fast).backward()
    assert slow.grad is None

    def equation3(slow, fast):
        return (judge(slow).sigmoid().log() + (1 - judge(fast).sigmoid()).log()).mean()

    parameters = list(judge.parameters())
    of_judge = torch.autograd.grad(-equation3(slow.detach(), fast.detach()), parameters)
    for parameter, expected in zip(parameters, of_judge, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    (of_fast,) = torch.autograd.grad(equation3(slow.detach(), fast), fast)
    torch.testing.assert_close(fast.grad, of_fast)


def test_a_discriminator_that_knows_draws_the_fast_features_to_the_slow_ones():
    torch.manual_seed(1)
    judge, shift = discriminator(), torch.full((1, CHANNELS, 1, 1), 1.5, requires_grad=True)
    slow, noise = torch.randn(2, 16, CHANNELS, 4, 4)
    optimizer = torch.optim.Adam(judge.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(adversarial_loss(judge, slow, noise + shift))
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 1.2 and losses[-1] < 0.2
    shift.grad = None
    adversarial_loss(judge, slow, noise + shift).backward()
    assert (shift.grad > 0).all()  # descending takes all of the shift back
