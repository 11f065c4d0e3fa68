# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The number format that the network computes in."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection

import torch

from ..errors import MilaError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
WORTHWHILE = 1.2
"""How many times as fast bf16 must be for ``auto`` to take its rounding."""

_REPEAT = 3
_HOPELESS = 4.0  # times as slow at first, allocations and all: then it need not be seen again


def check_precision(name: str) -> None:
    """Raise a MilaError unless the name is one of ``PRECISIONS``."""
    if name not in PRECISIONS:
        raise MilaError(f"unknown precision {name!r}; choose one of {', '.join(PRECISIONS)}")


def resolve_precision(
    name: str,
    device: torch.device,
    compute: Callable[[str], object],
    offered: Collection[str] = ("fp32", "bf16"),
) -> str:
    """``fp32``, ``bf16`` or ``fp16``.

    Args:
        name: One of ``PRECISIONS``. ``auto`` is fp32 on CUDA; on a CPU it is decided between fp32
            and bf16 by a measurement here and now, for bf16 is several times as fast where the
            processor has it and several times as slow where it has not; that of an x86 without
            AVX-512 has not, and need not be measured.
        device: Where the network is.
        compute: Computes a typical frame in a precision; only called for ``auto`` on a CPU.
        offered: What the engine can compute in.

    Raises:
        MilaError: See :func:`check_precision`; or for one that is not offered.
    """
    check_precision(name)
    if name != "auto":
        if name not in offered:
            raise MilaError(
                f"the precision {name} is not there with this engine on {device}; choose auto or "
                f"{' or '.join(offered)}"
            )
        return name
    if device.type != "cpu" or "bf16" not in offered or _capability() == "AVX2":
        return "fp32"
    first_s = _seconds(compute, "fp32")
    if _seconds(compute, "bf16") > _HOPELESS * first_s:
        return "fp32"
    fp32, bf16 = [], []  # without the first, which have also allocated and compiled
    for _ in range(_REPEAT):
        fp32.append(_seconds(compute, "fp32"))
        bf16.append(_seconds(compute, "bf16"))
    return "bf16" if statistics.median(fp32) > WORTHWHILE * statistics.median(bf16) else "fp32"


def _capability() -> str:
    """The vector instructions that PyTorch uses on this processor."""
    return torch.backends.cpu.get_cpu_capability()


def _seconds(compute: Callable[[str], object], precision: str) -> float:
    begin_s = time.perf_counter()
    compute(precision)
    return time.perf_counter() - begin_s
