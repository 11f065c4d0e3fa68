# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every implementation of local attention against the same oracle, on the same grid of sizes."""

from __future__ import annotations

import threading

import pytest
import torch
from local_attention_bench import expected, random_maps

from mila_ros.networks.local_attention import (
    backends,
    inter_frame_local_attention,
    inter_frame_local_attention_reference,
    local_attention_backend,
    unavailable,
)

CHANNELS_LAST = torch.channels_last


@pytest.fixture(params=["tiles", "cpp"])
def backend(request):
    if reason := unavailable(request.param):
        pytest.skip(reason)
    with local_attention_backend(request.param):
        yield request.param


@pytest.fixture
def cpp_backend():
    if reason := unavailable("cpp"):
        pytest.skip(reason)
    with local_attention_backend("cpp"):
        yield


# Around every size at which the C++ changes its step: lanes, tiles of columns, blocks of channels.
SIZES = [
    (2, 3, 4, 1, 1),
    (1, 1, 1, 1, 19),
    (2, 5, 17, 5, 3),
    (1, 33, 66, 9, 16),
    (1, 16, 130, 3, 37),
    (3, 4, 64, 17, 21),
]
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("window", [1, 3, 5, 7, 9, 11, 13, 15])
@pytest.mark.parametrize("size", SIZES)
def test_values(backend, size, window, dtype):
    maps = random_maps(window, *size, dtype=dtype)
    result = inter_frame_local_attention(*maps, window)
    assert result.dtype == dtype
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(
        result.double(), expected(maps, window), atol=tolerance, rtol=tolerance
    )


@pytest.mark.parametrize("window, size", [(1, (3, 2)), (3, (3, 5)), (5, (6, 9)), (15, (2, 17))])
def test_gradients_equal_finite_differences(backend, window, size):
    maps = [t.requires_grad_() for t in random_maps(3, 2, 2, 3, *size)]
    assert torch.autograd.gradcheck(
        lambda *m: inter_frame_local_attention(*m, window), maps, atol=1e-6, fast_mode=True
    )


@pytest.mark.parametrize("window", [1, 5, 7, 15])
@pytest.mark.parametrize("size", [(2, 33, 70, 9, 21), (1, 4, 3, 3, 40)])
def test_gradients_in_single_precision(backend, window, size):
    maps = random_maps(4, *size, dtype=torch.float32)
    towards = torch.randn(maps[2].shape, generator=torch.Generator().manual_seed(5))
    exact = [t.double().requires_grad_() for t in maps]
    inter_frame_local_attention_reference(*exact, window).backward(towards.double())
    maps = [t.requires_grad_() for t in maps]
    inter_frame_local_attention(*maps, window).backward(towards)
    for one, other in zip(maps, exact, strict=True):
        scale = other.grad.abs().max().item()  # 0 for q and k with a window of 1
        torch.testing.assert_close(one.grad.double(), other.grad, atol=2e-5 * scale + 1e-6, rtol=0)


def test_bfloat16_is_rounded_only_at_the_end(backend):
    """Scores reach 150 here; one rounding of them to bfloat16 would be wrong by up to 0.5."""
    maps = [t * 2 for t in random_maps(2, 1, 64, 48, 9, 37, dtype=torch.bfloat16)]
    maps[1] = maps[0] + 0.25 * maps[1]  # what the query looks for lies in its place, almost
    result = inter_frame_local_attention(*maps, 5)
    assert result.dtype == torch.bfloat16
    exact = expected(maps, 5)
    # Half a unit in the last of 8 bits for the result; tiles also round the weights before summing.
    rounding = {"cpp": 2**-9 * 1.01, "tiles": 3 * 2**-9}[backends._selected]
    assert ((result.double() - exact).abs() <= rounding * exact.abs() + 3e-2 * (
        backends._selected == "tiles") + 1e-4).all()  # fmt: skip


def test_bfloat16_gradients(cpp_backend):
    maps = [t.requires_grad_() for t in random_maps(6, 1, 8, 20, 5, 9, dtype=torch.bfloat16)]
    exact = [t.detach().double().requires_grad_() for t in maps]
    inter_frame_local_attention(*maps, 3).sum().backward()
    inter_frame_local_attention_reference(*exact, 3).sum().backward()
    for one, other in zip(maps, exact, strict=True):
        assert one.grad.dtype == torch.bfloat16
        scale = other.grad.abs().max().item()
        torch.testing.assert_close(one.grad.double(), other.grad, atol=6e-3 * scale, rtol=6e-3)


def test_any_strides(backend):
    """NCHW, NHWC, a slice, a transposed map and an expanded one give the same."""
    maps = random_maps(8, 2, 6, 10, 7, 13, dtype=torch.float32)
    reference = expected(maps, 5)
    wide = [torch.cat([t, t], 1)[:, : t.shape[1]] for t in maps]
    turned = [t.transpose(2, 3).contiguous().transpose(2, 3) for t in maps]
    for variant in (maps, [t.contiguous(memory_format=CHANNELS_LAST) for t in maps], wide, turned):
        result = inter_frame_local_attention(*variant, 5)
        assert result.is_contiguous(memory_format=CHANNELS_LAST)
        torch.testing.assert_close(result.double(), reference, atol=2e-5, rtol=0)
    one = [t[:1].expand(2, -1, -1, -1) for t in maps]
    torch.testing.assert_close(
        inter_frame_local_attention(*one, 5).double(), expected(one, 5), atol=2e-5, rtol=0
    )


def test_border_weights_are_exactly_zero(backend):
    """A value that is not in a window cannot be felt, not even when it is infinite."""
    query, key, value = random_maps(9, 1, 4, 5, 8, 30, dtype=torch.float32)
    value[:, :, 4, 10] = torch.inf
    result = inter_frame_local_attention(query, key, value, 5)
    felt = ~torch.isfinite(result[0]).all(0)
    near = torch.zeros(8, 30, dtype=torch.bool)
    near[2:7, 8:13] = True
    assert (felt <= near).all() if backends._selected == "cpp" else felt[near].all()
    ones = torch.ones(1, 5, 8, 30)
    low = [torch.full((1, 4, 8, 30), sign * 1e3) for sign in (-1, 1)]
    torch.testing.assert_close(inter_frame_local_attention(*low, ones, 5), ones)


def test_number_of_threads_changes_no_bit(cpp_backend):
    maps = random_maps(10, 3, 16, 96, 11, 29, dtype=torch.float32)
    once = inter_frame_local_attention(*maps, 5)
    torch.set_num_threads(2)
    try:
        assert torch.equal(inter_frame_local_attention(*maps, 5), once)
    finally:
        torch.set_num_threads(1)


def test_two_threads_at_once(backend):
    jobs = [random_maps(n, 1, 8, 40, 9, 21, dtype=torch.float32) for n in range(2)]
    alone = [inter_frame_local_attention(*maps, 5) for maps in jobs]
    same = [True, True]
    start = threading.Barrier(2)

    def work(n):
        start.wait()
        for _ in range(20):
            same[n] &= torch.equal(inter_frame_local_attention(*jobs[n], 5), alone[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True, True]


def test_the_operator_is_well_formed(cpp_backend):
    """PyTorch's own check: schema, fake tensors, autograd, tracing with symbolic sizes."""
    maps = [t.requires_grad_() for t in random_maps(11, 1, 3, 5, 6, 7, dtype=torch.float32)]
    inter_frame_local_attention(*maps, 3)
    torch.library.opcheck(torch.ops.mila_ros.local_attention_cpp.default, (*maps, 3))


def test_compiled_graphs_hold_the_operator_and_exported_ones_do_not(cpp_backend):
    class Attention(torch.nn.Module):
        def forward(self, query, key, value):
            return inter_frame_local_attention(query, key, value, 5) * 2

    maps = random_maps(12, 1, 4, 6, 8, 16, dtype=torch.float32)
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(Attention(), backend=keep, fullgraph=True)(*maps)
    assert any("local_attention_cpp" in str(node.target) for node in graphs[0].graph.nodes)
    torch.testing.assert_close(compiled.double(), 2 * expected(maps, 5), atol=4e-5, rtol=0)
    program = torch.export.export(Attention(), tuple(maps))
    assert not any("mila_ros" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(*maps).double(), 2 * expected(maps, 5),
                               atol=4e-5, rtol=0)  # fmt: skip


def test_maps_that_a_backend_does_not_cover_go_to_tiles(cpp_backend):
    half = random_maps(13, 1, 4, 6, 5, 8, dtype=torch.float16)
    torch.testing.assert_close(
        inter_frame_local_attention(*half, 3).double(), expected(half, 3), atol=4e-3, rtol=0
    )
    wide = random_maps(14, 1, 2, 2, 9, 20)
    torch.testing.assert_close(inter_frame_local_attention(*wide, 17), expected(wide, 17))


def test_an_unknown_backend_is_refused_in_words():
    with pytest.raises(ValueError, match="choose one of auto, tiles, cpp, triton"):
        with local_attention_backend("cuda"):
            pass
