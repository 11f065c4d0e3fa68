# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Triton kernels, run by Triton's interpreter, against the same oracle as all others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from local_attention_bench import random_maps

from mila_ros.networks.local_attention import inter_frame_local_attention_reference

ROOT = Path(__file__).resolve().parents[2]


# Windows, ragged sizes, odd channels, a batch; float16 also keeps scores in single precision.
TRITON_CASES = [
    (2, 12, 20, 6, 9, 5, torch.float32),
    (1, 3, 5, 3, 4, 1, torch.float32),
    (1, 40, 70, 5, 9, 3, torch.float32),
    (1, 16, 16, 5, 17, 15, torch.float32),
    (1, 16, 24, 9, 8, 7, torch.float16),
]
TRITON_WORKER = """
import sys, torch
from mila_ros.networks.local_attention import inter_frame_local_attention, local_attention_backend
results = []
with local_attention_backend("triton"):
    for *maps, towards, window in torch.load(sys.argv[1]):
        maps = [t.requires_grad_() for t in maps]
        out = inter_frame_local_attention(*maps, window)
        out.backward(towards)
        results.append([out.detach(), *(t.grad for t in maps)])
torch.save(results, sys.argv[1])
"""


@pytest.fixture(scope="module")
def triton_results(tmp_path_factory):
    """What Triton's interpreter makes of the cases. It has to be chosen before triton's import."""
    pytest.importorskip("triton", reason="triton is not installed; pip install triton")
    cases = []
    for seed, (*size, window, dtype) in enumerate(TRITON_CASES):
        maps = random_maps(seed, *size, dtype=dtype)
        cases.append([*maps, random_maps(99, *size, dtype=dtype)[2], window])
    path = tmp_path_factory.mktemp("triton") / "cases.pt"
    torch.save(cases, path)
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", TRITON_WORKER, str(path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(zip(cases, torch.load(path), strict=True))


@pytest.mark.parametrize("number", range(len(TRITON_CASES)))
def test_triton_kernels_in_the_interpreter(triton_results, number):
    (*maps, towards, window), (out, *gradients) = triton_results[number]
    exact = [t.double().requires_grad_() for t in maps]
    result = inter_frame_local_attention_reference(*exact, window)
    result.backward(towards.double())
    assert out.dtype == maps[2].dtype
    tolerance = 4e-3 if out.dtype == torch.float16 else 2e-5
    np.testing.assert_allclose(out.double(), result.detach(), atol=tolerance, rtol=tolerance)
    for gradient, other in zip(gradients, exact, strict=True):
        scale = other.grad.abs().max().item()
        np.testing.assert_allclose(
            gradient.double(), other.grad, atol=2 * tolerance * scale + 1e-6, rtol=0
        )
