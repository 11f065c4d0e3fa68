# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which implementation of local attention is taken.

``tiles``
    Gathers and matrix products in plain PyTorch: any device, any type, exports. What all the
    others fall back to.
``cpp``
    One fused C++ operator for the CPU, float32, bfloat16 and float64, windows up to 15. Compiled
    on this machine, once, when :func:`prepare_local_attention` or ``MILA_LOCAL_ATTENTION=cpp``
    asks for it, and kept in the user's cache.
``triton``
    Fused CUDA kernels, float16, bfloat16 and float32, windows up to 15, compute capability 8.0 and
    later. They have never run on a GPU, only in Triton's interpreter: nothing takes them unasked.
``auto``
    ``cpp`` for CPU tensors where it is there already, else ``tiles``.

The environment variable ``MILA_LOCAL_ATTENTION`` names the one to begin with, ``auto`` if unset. A
traced or exported graph always holds tiles, so that it runs where this package is not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..resizing import is_exporting
from . import cpp, triton_op
from .tiles import tile_attention

BACKENDS = ("auto", "tiles", "cpp", "triton")
ENVIRONMENT_VARIABLE = "MILA_LOCAL_ATTENTION"
LARGEST_WINDOW = 15

Attention = Callable[[Tensor, Tensor, Tensor, int], Tensor]

_logger = logging.getLogger(__name__)


def _from_environment() -> str:
    name = os.environ.get(ENVIRONMENT_VARIABLE, "auto")
    if name in BACKENDS:
        return name
    _logger.warning(
        "%s=%s is none of %s; taking auto", ENVIRONMENT_VARIABLE, name, ", ".join(BACKENDS)
    )
    return "auto"


_selected = _from_environment()


def prepare_local_attention(device: torch.device | str) -> str:
    """Make the fastest implementation for a device ready, compiling it if need be.

    The first time on a machine this runs the C++ compiler for about half a minute; call it before
    the first frame, never while one waits. Without a compiler, one sentence is logged and tiles go
    on. Safe in several threads and processes at once; they wait for one build.

    Args:
        device: Where the maps will be.

    Returns:
        The name of the implementation that ``inter_frame_local_attention`` will take there.
    """
    return _ready(device, build=True)


def local_attention_in_use(device: torch.device | str) -> str:
    """The implementation that is taken for a device as things are; nothing is compiled.

    Args:
        device: Where the maps will be.
    """
    return _ready(device, build=False)


def _ready(device: torch.device | str, build: bool) -> str:
    kind = torch.device(device).type
    if kind == "cpu" and _selected in ("auto", "cpp"):
        return "cpp" if cpp.load(build=build) is None else "tiles"
    if kind == "cuda" and _selected == "triton":
        return "triton" if triton_op.load() is None else "tiles"
    return "tiles"


def unavailable(name: str) -> str | None:
    """Why an implementation cannot be had on this machine, in a sentence; None when it can.

    Compiles ``cpp`` if it has not been compiled yet.
    """
    if name == "cpp":
        return cpp.load(build=True)
    return triton_op.load() if name == "triton" else None


@contextmanager
def local_attention_backend(name: str) -> Iterator[None]:
    """Take one implementation inside the ``with`` block, in all threads of the process.

    Maps that it does not cover still go to tiles.

    Args:
        name: One of :data:`BACKENDS`.

    Raises:
        ValueError: For an unknown name, or one that cannot be had here.
    """
    global _selected
    if name not in BACKENDS:
        raise ValueError(f"unknown backend {name!r}; choose one of {', '.join(BACKENDS)}")
    if reason := unavailable(name):
        raise ValueError(reason)
    before, _selected = _selected, name
    try:
        yield
    finally:
        _selected = before


def choose(query: Tensor, key: Tensor, value: Tensor, window: int) -> Attention:
    """The implementation that these maps go to."""
    if _selected == "tiles" or window > LARGEST_WINDOW or _is_exporting():
        return tile_attention
    if (
        value.device.type == "cpu"
        and _selected in ("auto", "cpp")
        and cpp.covers(query, key, value)
    ):
        # Only one that was asked for by name is worth a compiler run in the middle of a frame.
        if cpp.load(build=_selected == "cpp") is None:
            return cpp.attention
    if _selected == "triton" and triton_op.covers(query, key, value) and triton_op.load() is None:
        return triton_op.attention
    return tile_attention


def _is_exporting() -> bool:
    if torch._C._get_tracing_state() is not None or torch.onnx.is_in_onnx_export():
        return True
    return is_exporting()
