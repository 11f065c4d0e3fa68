# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a process does with memory that it has given back."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_BYTES = 1 << 30
_CHOSEN_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory() -> bool:
    """Let glibc keep blocks of up to 1 GiB that were given back, for the next that asks.

    Left to itself it returns them to the system when enough lie at the heap's end, which is a
    matter of chance, and then every frame is handed thousands of new pages, one by one
    (``benchmarks/new_memory.py``). The process stays as large as it once was.

    Returns:
        Whether it does so now. Other systems' allocators, and who has set glibc's own variables,
        are left alone.
    """
    if any(name in os.environ for name in _CHOSEN_BY_USER) or (
        "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # musl, macOS, Windows
        return False
    # The one for maps first: either switches off that glibc adapts both.
    return bool(mallopt(_MMAP_THRESHOLD, _BYTES) and mallopt(_TRIM_THRESHOLD, _BYTES))
