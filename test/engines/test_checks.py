# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What graphs are compared with, and how closely, where TensorFloat-32 is and where it is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mila_ros.engines.export import TOLERANCE, tolerance, whole_fp32

GPU, CPU = torch.device("cuda", 1), torch.device("cpu")


def settings() -> tuple[Any, str]:
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


def test_fp32_on_a_gpu_may_be_as_far_off_as_tensorfloat_32_is() -> None:
    """Against the rounding itself: sums of products of factors with ten bits of fraction."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    exact = a @ b

    def rounded(x: torch.Tensor) -> torch.Tensor:
        mantissa, exponent = torch.frexp(x)
        return torch.ldexp((mantissa * 2**11).round() / 2**11, exponent)

    error = float((rounded(a) @ rounded(b) - exact).norm() / exact.norm())
    # Of one product alone. A hundred layers, errors of which add up as random ones do, are too far
    # off for what a CPU is held to.
    assert 1e-4 < error < TOLERANCE["fp32"] < 10 * error < tolerance("fp32", GPU) == 1e-2
    assert tolerance("fp32", CPU) == TOLERANCE["fp32"]
    for precision in ("bf16", "fp16"):
        assert tolerance(precision, GPU) == tolerance(precision, CPU) == TOLERANCE[precision]


def test_what_graphs_are_compared_with_is_computed_without_it() -> None:
    before = settings()
    torch.set_float32_matmul_precision("high")
    try:
        with whole_fp32(CPU):
            assert settings() == (before[0], "high")
        with pytest.raises(KeyError), whole_fp32(GPU):
            assert settings() == (False, "highest")
            raise KeyError
        assert settings() == (before[0], "high")
    finally:
        torch.set_float32_matmul_precision(before[1])
    assert settings() == before


@pytest.mark.skipif(
    not hasattr(torch.backends.cudnn, "conv"), reason="this PyTorch has one setting for all"
)
def test_settings_in_pytorchs_newer_way_are_left_as_they_are() -> None:
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        with whole_fp32(GPU):
            assert convolutions.fp32_precision == "ieee"
        assert convolutions.fp32_precision == "ieee"
    finally:
        convolutions.fp32_precision = before
