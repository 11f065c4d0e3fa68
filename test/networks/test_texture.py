# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The texture that attention compares frames by: its values, and that it finds what moved."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mila_ros.networks import State, build_network
from mila_ros.networks.propagation import LocalAttentionPropagation, Source, build_propagation
from mila_ros.networks.texture import Texture, cosines
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION
from mila_ros.training.take_over import take_over

TASKS = (SEGMENTATION.with_channels(5), DEPTH, MOTION)
SMALL = {
    "slow": "resnet34", "slow_width": 8, "fast_width": 4, "channels": 16,
    "decoder_channels": (12, 8), "attention_channels": 4,
}  # fmt: skip
SIZE = torch.Size([12, 16])


def picture(seed: int = 0, size: tuple[int, int] = (96, 128)) -> torch.Tensor:
    """Blobs of a few pixels, [1, 3, H, W]."""
    noise = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(noise, 9, 1, 4) * 9


@pytest.mark.parametrize("channels", [1, 6, 16, 24, 73])
def test_the_first_filters_are_orthonormal(channels: int) -> None:
    filters = cosines(channels).double().flatten(1)
    torch.testing.assert_close(
        filters @ filters.T, torch.eye(channels, dtype=torch.float64), atol=1e-6, rtol=0
    )


def test_the_first_filter_is_the_mean_and_the_second_its_slope() -> None:
    mean, slope = cosines(12)[:2]
    torch.testing.assert_close(mean, torch.full((3, 7, 7), (3 * 49) ** -0.5))
    expected = torch.cos(torch.pi / 7 * (torch.arange(7) + 0.5)).expand(3, 7, 7)
    torch.testing.assert_close(slope, expected / expected.norm())


@pytest.mark.parametrize("channels", [0, 74])
def test_more_filters_than_there_are(channels: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 73 channels, not {channels}"):
        cosines(channels)


@torch.inference_mode()
def test_texture_by_its_definition() -> None:
    """Against float64 sums over the pixels themselves, away from the border."""
    image = picture().double()
    small = image.view(3, 24, 4, 32, 4).mean((2, 4))
    y, x = 6, 8  # of the features; 12, 16 of the quarter
    patch = torch.stack(
        [
            torch.stack(
                [
                    small[:, j, i] - small[:, j - 4 : j + 5, i - 4 : i + 5].mean((1, 2))
                    for i in range(2 * x - 3, 2 * x + 4)
                ]
            )
            for j in range(2 * y - 3, 2 * y + 4)
        ]
    )
    expected = torch.einsum("ocyx,yxc->o", cosines(10).double(), patch)
    found = Texture(10)(image.float(), SIZE)
    torch.testing.assert_close(
        found[0, :, y, x].double(), expected / expected.norm(), atol=1e-5, rtol=0
    )


@torch.inference_mode()
def test_light_does_not_matter() -> None:
    texture, image = Texture(16), picture()
    torch.testing.assert_close(
        texture(0.5 * image + 0.7, SIZE), texture(image, SIZE), atol=1e-4, rtol=0
    )
    assert texture(torch.full((1, 3, 96, 128), 0.3), SIZE).abs().max() < 1e-3  # none to be seen


@torch.inference_mode()
@pytest.mark.parametrize(("right", "down"), [(8, 0), (-16, 8), (0, 0), (16, -16)])
def test_features_are_found_where_the_image_moved_to(right: int, down: int) -> None:
    """Two encoders that have nothing in common: h says nothing, texture everything."""
    torch.manual_seed(0)
    ila = LocalAttentionPropagation(8, 4, window=5, texture=16)
    ila.sharpness.copy_(torch.tensor([0.0, 8.0]))
    before = picture()
    after = torch.roll(before, (down, right), (2, 3))
    slow, fast = torch.randn(2, 1, 8, *SIZE).unbind()
    source = Source(slow, ila.embed(slow, before))
    received = ila(Source(fast, ila.embed(fast, after)), source)
    expected = torch.roll(slow, (down // 8, right // 8), (2, 3))
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(received[inside], expected[inside], atol=0.02, rtol=0)


@torch.inference_mode()
def test_what_is_compared_is_the_directions_of_h_and_texture() -> None:
    torch.manual_seed(0)
    ila, value, image = (
        LocalAttentionPropagation(8, 4, 5, texture=6),
        torch.randn(1, 8, *SIZE),
        picture(),
    )
    found = ila.embed(value, image)
    h = ila.h(value).double()
    torch.testing.assert_close(found[:, :4].double(), 10**0.5 * h / h.norm(dim=1, keepdim=True))
    torch.testing.assert_close(found[:, 4:], 20**0.5 * Texture(6)(image, SIZE))


@torch.inference_mode()
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (72, 100)])
def test_any_size_of_image(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = build_network("mila", TASKS, **SMALL, texture_channels=8).eval()
    state = State()
    for n in range(3):
        outputs, state = network(picture(n, size), state, keyframe=n == 0)
        assert all(logits.shape[2:] == size for logits in outputs.values())
        assert all(logits.isfinite().all() for logits in outputs.values())
    source = state.last["depth"]
    assert source.embedding.shape == (1, 4 + 8, *source.value.shape[2:])


def test_an_older_network_is_taken_over_but_for_what_it_lacked() -> None:
    torch.manual_seed(0)
    old = build_network("mila", TASKS, **SMALL)
    network = build_network("mila", TASKS, **SMALL, texture_channels=8)
    fresh = take_over(network, old.state_dict())
    assert {name.split(".", 3)[-1] for name in fresh} == {"sharpness", "texture.project.weight"}


def test_gradients_reach_everything_that_is_compared() -> None:
    torch.manual_seed(0)
    network = build_network("mila", TASKS, **SMALL, texture_channels=8).train()
    _, state = network(picture(0))
    outputs, _ = network(picture(1), state, keyframe=False)
    sum(logits.square().mean() for logits in outputs.values()).backward()
    for name, parameter in network.named_parameters():
        if ".propagation." in name:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_mistakes_are_said_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="only ila compares texture"):
        build_propagation("concat", 8, 4, 5, texture=16)
    ila = LocalAttentionPropagation(8, 4, 5, texture=16)
    with pytest.raises(ValueError, match="give the frame's image"):
        ila.embed(torch.zeros(1, 8, *SIZE))
