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
            processor has it and several times as slow where it has not.
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
    if device.type != "cpu" or "bf16" not in offered:
        return "fp32"
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for repeat in range(1 + _REPEAT):
        for precision, samples in seconds.items():
            begin = time.perf_counter()
            compute(precision)
            if repeat:  # the first of each also allocates and compiles
                samples.append(time.perf_counter() - begin)
    fp32, bf16 = (statistics.median(samples) for samples in seconds.values())
    return "bf16" if fp32 > WORTHWHILE * bf16 else "fp32"
