# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heads: where their detail joins, and logits within a cell."""

import pytest
import torch
import torch.nn.functional as F

from mila_ros.networks.decoder import Detail, Head


def head(seed=0, **arguments):
    torch.manual_seed(seed)
    return Head(wide=12, narrow=8, outputs=5, **arguments).eval()


@torch.inference_mode()
@pytest.mark.parametrize(("upsampling", "size"), [(1, (12, 16)), (2, (24, 32)), (3, (36, 48))])
def test_logits_are_that_many_times_as_fine_as_the_detail(upsampling, size):
    image = torch.randn(2, 3, 48, 64)
    detail = Detail(6).eval()(image)
    assert tuple(detail.shape) == (2, 6, 12, 16)
    logits = head(detail=6, upsampling=upsampling)(torch.randn(2, 12, 6, 8), detail)
    assert tuple(logits.shape) == (2, 5, *size)


@torch.inference_mode()
def test_upsampling_is_a_shuffled_convolution():
    """Shi et al., CVPR 2016: a 1×1 to r² times the channels, which become r × r pixels."""
    r, x = 2, torch.randn(2, 12, 6, 8)
    upsampled = head(detail=0, upsampling=r)
    kernel = upsampled.predict.weight  # [inputs, outputs, r, r]
    by_channel = kernel.permute(1, 2, 3, 0).reshape(5 * r * r, 8, 1, 1)
    bias = upsampled.predict.bias.repeat_interleave(r * r)
    expected = F.pixel_shuffle(F.conv2d(upsampled.reduce(x), by_channel, bias), r)
    torch.testing.assert_close(upsampled(x, None), expected)


@torch.inference_mode()
def test_the_same_kernel_at_each_place_repeats_the_coarse_logits():
    x, coarse, fine = torch.randn(1, 12, 6, 8), head(detail=0), head(detail=0, upsampling=2)
    weights = dict(coarse.state_dict())
    weights["predict.weight"] = weights["predict.weight"].transpose(0, 1).repeat(1, 1, 2, 2)
    fine.load_state_dict(weights)
    repeated = coarse(x, None).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(fine(x, None), repeated)
