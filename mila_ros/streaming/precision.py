# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The number format that the network computes in."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from ..errors import MilaError

PRECISIONS = ("auto", "fp32", "bf16")
WORTHWHILE = 1.2
"""How many times as fast bf16 must be for ``auto`` to take its rounding."""

_REPEAT = 3


def check_precision(name: str) -> None:
    """Raise a MilaError unless the name is one of ``PRECISIONS``."""
    if name not in PRECISIONS:
        raise MilaError(f"unknown precision {name!r}; choose one of {', '.join(PRECISIONS)}")


def resolve_precision(name: str, device: torch.device, compute: Callable[[str], object]) -> str:
    """``fp32`` or ``bf16``.

    Args:
        name: One of ``PRECISIONS``. ``auto`` is fp32 on CUDA; on a CPU it is decided by a
            measurement here and now, for bf16 is several times as fast where the processor has it
            and several times as slow where it has not.
        device: Where the network is.
        compute: Computes a typical frame in a precision; only called for ``auto`` on a CPU.

    Raises:
        MilaError: See :func:`check_precision`.
    """
    check_precision(name)
    if name != "auto":
        return name
    if device.type != "cpu":
        return "fp32"
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for repeat in range(1 + _REPEAT):
        for precision, samples in seconds.items():
            begin = time.perf_counter()
            compute(precision)
            if repeat:  # the first of each also allocates
                samples.append(time.perf_counter() - begin)
    fp32, bf16 = (statistics.median(samples) for samples in seconds.values())
    return "bf16" if fp32 > WORTHWHILE * bf16 else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network of float32 weights computes in a precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
