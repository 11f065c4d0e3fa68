# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C++ operator's arithmetic as other processors run it: SSE2, AVX2, and NEON in an emulator.

NEON needs a cross compiler and an emulator: ``apt-get install g++-aarch64-linux-gnu qemu-user``.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from mila_ros.networks.local_attention import cpp, inter_frame_local_attention_reference

DRIVER = Path(__file__).with_name("local_attention_driver.cpp")
X86 = platform.machine() == "x86_64"
ARM_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"

# bfloat16, window, batch, channels of query and value, height, width: whole vectors and less, rows
# of one step and of several, one pixel, more rows than a window has.
CASES = [
    (False, 5, 2, 33, 66, 9, 27),
    (False, 15, 1, 8, 5, 3, 5),
    (False, 15, 1, 3, 40, 17, 37),
    (False, 5, 1, 1, 3, 1, 1),
    (True, 5, 1, 32, 70, 7, 37),
]


def built_for(name: str, folder: Path) -> list[str]:
    """The driver compiled for a kind of processor: the command that runs it."""
    program = folder / name
    compiler, flags, runner = cpp._compiler(), ["-march=" + name], []
    if name == "neon":
        if platform.machine() != "aarch64":
            if not (shutil.which(ARM_COMPILER) and shutil.which(EMULATOR)):
                pytest.skip("apt-get install g++-aarch64-linux-gnu qemu-user runs NEON here")
            compiler, runner = [ARM_COMPILER], [EMULATOR]
        flags = ["-static"]
    elif not X86:
        pytest.skip("this processor is not an x86-64")
    elif name == "haswell" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2")
    # -O1: it is the arithmetic that is tested, and the tests are waited for.
    command = [*compiler, "-std=c++20", "-O1", "-w", *flags, f"-I{cpp.FOLDER}", str(DRIVER)]
    subprocess.run([*command, "-o", str(program)], check=True)
    return [*runner, str(program)]


@pytest.mark.parametrize(
    "name, vector", [("x86-64", 16), ("haswell", 32), ("native", None), ("neon", 16)]
)
def test_values_and_gradients(name: str, vector: int | None, tmp_path: Path) -> None:
    command = built_for(name, tmp_path)
    maps, sent = [], b""
    for seed, (half, window, batch, cq, c, height, width) in enumerate(CASES):
        torch.manual_seed(seed)
        dtype = torch.bfloat16 if half else torch.float32
        shapes = [(batch, height, width, n) for n in (cq, cq, c)]
        maps.append([torch.randn(shape).to(dtype) for shape in shapes])
        head = np.array([half, window, batch, cq, c, height, width], np.int64)
        sent += head.tobytes() + b"".join(raw(t) for t in maps[-1])
    done = subprocess.run(command, input=sent, capture_output=True, timeout=120, check=True).stdout
    assert np.frombuffer(done[:8], np.int64)[0] in ([vector] if vector else [16, 32, 64])
    at = 8

    def received(like: torch.Tensor) -> torch.Tensor:
        nonlocal at
        size = like.numel() * like.element_size()
        part, at = bytearray(done[at : at + size]), at + size
        return torch.frombuffer(part, dtype=like.dtype).view(like.shape).double()

    for (half, window, *_), (query, key, value) in zip(CASES, maps, strict=True):
        exact = [t.double().permute(0, 3, 1, 2).requires_grad_() for t in (query, key, value)]
        out = inter_frame_local_attention_reference(*exact, window)
        tolerance = 2**-8 if half else 2e-5
        torch.testing.assert_close(
            received(value), out.detach().permute(0, 2, 3, 1), atol=tolerance, rtol=tolerance
        )
        if half:
            continue
        out.backward(out.detach())
        for like, other in zip((query, key, value), exact, strict=True):
            assert other.grad is not None
            scale = other.grad.abs().max().item()
            torch.testing.assert_close(
                received(like), other.grad.permute(0, 2, 3, 1), atol=4e-5 * scale + 1e-6, rtol=0
            )
    assert at == len(done)


def raw(tensor: torch.Tensor) -> bytes:
    """Its bytes; NumPy knows no bfloat16."""
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()
