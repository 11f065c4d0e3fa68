# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Correspondence with weights of half precision: the displacements themselves stay in fp32."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from mila_ros.networks.correspondence import Correspondence

HALVES = (torch.bfloat16, torch.float16)


def picture(width: int) -> torch.Tensor:
    """Blobs of a few pixels, [1, 3, 48, width]."""
    noise = torch.randn(1, 3, 48, width, generator=torch.Generator().manual_seed(0))
    return F.avg_pool2d(noise, 5, 1, 2) * 5


def module() -> Correspondence:
    torch.manual_seed(0)
    return Correspondence(8).eval()


@torch.inference_mode()
@pytest.mark.parametrize("dtype", HALVES)
def test_coordinates_are_not_rounded(dtype: torch.dtype) -> None:
    """At a quarter of its resolution the picture is 300 wide: bf16 has no odd numbers there."""
    whole, before = module(), picture(1200)
    after = torch.roll(before, -4, 3)
    half = copy.deepcopy(whole).to(dtype)
    patches = [half.patches(image.to(dtype)) for image in (after, before)]
    assert {p.dtype for p in patches} == {torch.float32}
    # What was one frame's result may come back as the next one's argument, in the weights' format.
    found = half.matches(patches[0], patches[1].to(dtype))
    assert found.dtype == torch.float32
    expected = whole.matches(whole.patches(after), whole.patches(before))
    inside = (..., slice(4, -4), slice(4, -4))
    assert (found - expected)[inside].abs().mean() < 0.01
    offset = found[0, 0][inside][:, 270:].median()
    torch.testing.assert_close(offset, torch.tensor(1 / 4), atol=0.01, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", HALVES)
def test_what_a_decoder_is_told_is_of_the_weights_format(dtype: torch.dtype) -> None:
    whole = module()
    half = copy.deepcopy(whole).to(dtype)
    images = picture(96), torch.roll(picture(96), 4, 3)
    size = torch.Size((6, 12))
    found = half(*(half.patches(image.to(dtype)) for image in images), size)
    expected = whole(*(whole.patches(image) for image in images), size)
    assert found.dtype == dtype
    assert (found.float() - expected).norm() < 0.02 * expected.norm()


@torch.inference_mode()
def test_nothing_is_converted_in_fp32() -> None:
    """The same tensors go in, so that no number is another one than before."""
    patches = module().patches(picture(96))
    assert patches.float() is patches and patches.to(torch.float32) is patches
    image = picture(96)
    small = F.avg_pool2d(image, 4)
    details = small - F.avg_pool2d(small, 5, 1, 2, count_include_pad=False)
    expected = F.normalize(module().project(details), dim=1, eps=1e-3)
    assert torch.equal(patches, expected)
