# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ILA against an oracle that shares no code with it, and against cases in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mila_ros.networks.local_attention import (
    global_attention,
    inter_frame_local_attention,
    inter_frame_local_attention_reference,
    local_attention_backend,
)
from mila_ros.networks.local_attention.tiles import tile_attention

IMPLEMENTATIONS = [inter_frame_local_attention, inter_frame_local_attention_reference]


def oracle(query, key, value, window):
    """Equations 1 and 2 of MILA, one pixel at a time, in float64 NumPy."""
    query, key, value = (np.asarray(t, np.float64) for t in (query, key, value))
    batch, channels, height, width = value.shape
    radius = window // 2
    out = np.zeros((batch, channels, height, width))
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                near = [
                    (y, x)
                    for y in range(max(i - radius, 0), min(i + radius, height - 1) + 1)
                    for x in range(max(j - radius, 0), min(j + radius, width - 1) + 1)
                ]
                scores = np.array([query[b, :, i, j] @ key[b, :, y, x] for y, x in near])
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                for weight, (y, x) in zip(weights, near, strict=True):
                    out[b, :, i, j] += weight * value[b, :, y, x]
    return out


def random_maps(seed, batch, cq, c, height, width, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(batch, cq, height, width)] * 2 + [(batch, c, height, width)]
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("function", IMPLEMENTATIONS)
@pytest.mark.parametrize("window", [1, 3, 5, 7, 9, 11, 13, 15])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (9, 13)])
def test_values_equal_the_oracle(function, window, size):
    maps = random_maps(window, 2, 3, 4, *size)
    np.testing.assert_allclose(function(*maps, window), oracle(*maps, window), atol=1e-12)


@pytest.mark.parametrize("size", [(4, 8), (8, 16), (17, 33)])
def test_single_precision_and_channels_last(size):
    maps = random_maps(1, 1, 8, 6, *size, dtype=torch.float32)
    expected = oracle(*maps, 5)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        strided = [t.contiguous(memory_format=memory_format) for t in maps]
        np.testing.assert_allclose(inter_frame_local_attention(*strided, 5), expected, atol=2e-5)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float16, 4e-3), (torch.bfloat16, 3e-2)])
def test_half_precision_takes_the_softmax_in_single(dtype, tolerance):
    query, key, value = random_maps(2, 1, 16, 8, 9, 11, dtype=torch.float32)
    halves = [t.to(dtype) for t in (query, key, value)]
    result = inter_frame_local_attention(*halves, 5)
    assert result.dtype == dtype
    np.testing.assert_allclose(result.double(), oracle(*(h.double() for h in halves), 5),
                               atol=tolerance)  # fmt: skip


def test_autocast_rounds_neither_scores_nor_values_in_single():
    """Values may be coordinates, of which bf16 knows none between 128 and 129."""
    query, key, _ = random_maps(2, 1, 16, 1, 3, 250, dtype=torch.float32)
    columns = torch.arange(250.0).expand(1, 1, 3, 250)
    with torch.autocast("cpu", torch.bfloat16):
        result = tile_attention(query.bfloat16(), key.bfloat16(), columns, 5)
    assert result.dtype == torch.float32
    halves = (query.bfloat16().double(), key.bfloat16().double(), columns.double())
    np.testing.assert_allclose(result, oracle(*halves, 5), atol=2e-4)


@pytest.mark.parametrize("is_on", [False, True])
def test_shapes_alone_are_computed_too(is_on):
    maps = [torch.empty(2, channels, 9, 11, device="meta") for channels in (4, 4, 7)]
    with torch.autocast("cpu", torch.bfloat16, enabled=is_on):
        assert tile_attention(*maps, 5).shape == (2, 7, 9, 11)


@pytest.mark.parametrize("function", IMPLEMENTATIONS)
@pytest.mark.parametrize("window, size", [(1, (3, 2)), (3, (3, 5)), (5, (5, 9)), (9, (2, 3))])
def test_gradients_equal_finite_differences(function, window, size):
    maps = [t.requires_grad_() for t in random_maps(3, 1, 2, 2, *size)]
    assert torch.autograd.gradcheck(lambda *m: function(*m, window), maps, atol=1e-6)


@pytest.mark.parametrize("window", [1, 5, 7, 15])
def test_gradients_of_both_implementations_agree(window):
    gradients = []
    for function in IMPLEMENTATIONS:
        maps = [t.requires_grad_() for t in random_maps(4, 2, 5, 3, 11, 19)]
        (function(*maps, window) ** 2).sum().backward()
        gradients.append([t.grad for t in maps])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def positions(height, width, sharpness=40.0):
    """Embeddings whose inner product is largest between equal positions."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    cells = torch.nn.functional.one_hot((y * width + x), height * width).double()
    return cells.permute(2, 0, 1)[None] * sharpness**0.5


def test_identity_motion_returns_the_source():
    place, value = positions(6, 7), torch.randn(1, 4, 6, 7, dtype=torch.float64)
    result = inter_frame_local_attention(place, place, value, 5)
    torch.testing.assert_close(result, value, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dy, dx", [(0, 1), (2, 0), (-1, 2), (-2, -2)])
def test_pure_shift_is_undone(dy, dx):
    """Where the shifted pixel is still in the image, attention finds it within its window."""
    place = positions(8, 9)
    value = torch.randn(1, 3, 8, 9, dtype=torch.float64)
    moved = [torch.roll(t, (dy, dx), (2, 3)) for t in (place, value)]
    result = inter_frame_local_attention(place, *moved, 5)
    inside = (slice(max(-dy, 0), 8 - max(dy, 0)), slice(max(-dx, 0), 9 - max(dx, 0)))
    torch.testing.assert_close(
        result[0, :, inside[0], inside[1]], value[0, :, inside[0], inside[1]], atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("window", [3, 5, 15])
def test_equal_scores_give_the_mean_of_the_neighbours_inside_the_image(window):
    value = torch.randn(1, 2, 7, 10, dtype=torch.float64)
    flat = torch.ones(1, 4, 7, 10, dtype=torch.float64)
    result = inter_frame_local_attention(flat, flat, value, window)
    expected = torch.nn.functional.avg_pool2d(
        value, window, stride=1, padding=window // 2, count_include_pad=False
    )
    torch.testing.assert_close(result, expected, atol=1e-12, rtol=0)


def test_outside_neighbours_have_no_weight_even_against_very_low_scores():
    query = torch.full((1, 1, 3, 3), -1e3, dtype=torch.float64)
    key = torch.full((1, 1, 3, 3), 1e3, dtype=torch.float64)
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(inter_frame_local_attention(query, key, ones, 5), ones)


def test_the_unfolded_tensor_is_never_made():
    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.elements = max(self.elements, out.numel())
            return out

    maps = random_maps(5, 1, 32, 512, 33, 65, dtype=torch.float32)
    with Largest() as largest:
        inter_frame_local_attention(*maps, 5)
    assert largest.elements < 5 * maps[2].numel()  # an unfold has 25 times as many


def test_cached_indices_made_in_inference_mode_serve_training():
    maps = random_maps(6, 1, 2, 2, 31, 3)
    with torch.inference_mode():
        expected = inter_frame_local_attention(*maps, 3)
    leaf = maps[2].requires_grad_()
    result = inter_frame_local_attention(maps[0], maps[1], leaf, 3)
    result.sum().backward()
    torch.testing.assert_close(result.detach(), expected)
    assert leaf.grad is not None


def test_global_attention_equals_a_window_over_everything():
    maps = random_maps(7, 2, 3, 4, 5, 8)
    torch.testing.assert_close(
        global_attention(*maps), inter_frame_local_attention_reference(*maps, 17)
    )


@pytest.mark.parametrize("function", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    "change, words",
    [
        (lambda q, k, v: (q[:, :1], k, v, 3), "query and key"),
        (lambda q, k, v: (q, k, v[..., :1], 3), "value must be"),
        (lambda q, k, v: (q, k, v, 4), "odd"),
        (lambda q, k, v: (q, k, v, -1), "odd"),
    ],
)
def test_misfits_are_refused_in_words(function, change, words):
    with pytest.raises(ValueError, match=words):
        function(*change(*random_maps(8, 1, 2, 2, 4, 4)))


def test_what_was_made_while_tracing_is_not_kept():
    """An exporter's tensors have no values; the next frame of that size must not get them."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    maps = list(torch.randn(3, 1, 4, 11, 13))
    with FakeTensorMode() as mode, local_attention_backend("tiles"):
        inter_frame_local_attention(*(mode.from_tensor(m) for m in maps), 3)
    with local_attention_backend("tiles"):
        found = inter_frame_local_attention(*maps, 3)
    assert type(found) is torch.Tensor and found.isfinite().all()
