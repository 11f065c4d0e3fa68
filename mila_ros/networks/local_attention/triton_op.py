# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Triton kernels as PyTorch operators, defined when they are first asked for."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

CAPABILITY = (8, 0)

_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_definitions: Any = None  # the operators exist for as long as this does
_reason: str | None = None  # why they cannot be had
_capable: frozenset[int] = frozenset()  # the GPUs for which they can


def interpreting() -> bool:
    """Whether Triton runs kernels in its interpreter, on the CPU (``TRITON_INTERPRET=1``)."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def covers(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the kernels compute with these maps."""
    kinds = {query.dtype, key.dtype, value.dtype}
    if len({query.device, key.device, value.device}) > 1 or len(kinds) > 1:
        return False
    if interpreting():  # which takes bfloat16 for integers
        return kinds <= {torch.float32, torch.float16}
    if value.device.type != "cuda" or not kinds <= {torch.float32, torch.float16, torch.bfloat16}:
        return False
    return load() is None and value.device.index in _capable


def attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Local attention of maps that have been checked; differentiable once.

    Args:
        query, key: [B, Cq, H, W].
        value: [B, C, H, W], of the same dtype.
        window: L, odd, at most 15.

    Returns:
        [B, C, H, W], channels_last, in the dtype of ``value``.
    """
    result: Tensor = torch.ops.mila_ros.local_attention_triton(query, key, value, window)[0]
    return result


def load() -> str | None:
    """Define the operators.

    Returns:
        None when they are there, else why not, in a sentence. It is also logged, once.
    """
    global _definitions, _reason
    if _definitions is None and _reason is None:  # else without the lock, which Dynamo cannot take
        with _lock:
            if _definitions is None and _reason is None:
                _reason = _missing()
                if _reason is None:
                    _definitions = _define()
                else:
                    _logger.warning("%s", _reason)
    return _reason


def _missing() -> str | None:
    global _capable
    wanted = "local attention goes on without its Triton kernels:"
    if not hasattr(torch.library, "register_autograd"):
        return f"{wanted} they need torch 2.4, and this is {torch.__version__}"
    if importlib.util.find_spec("triton") is None:
        return f"{wanted} triton is not installed; pip install triton"
    if interpreting():
        return None
    if not torch.cuda.is_available():
        return f"{wanted} there is no CUDA GPU here"
    capabilities = [
        torch.cuda.get_device_capability(number) for number in range(torch.cuda.device_count())
    ]
    _capable = frozenset(n for n, found in enumerate(capabilities) if found >= CAPABILITY)
    if not _capable:
        return f"{wanted} they need a GPU of compute capability 8.0, and the best here has " + (
            ".".join(map(str, max(capabilities)))
        )
    return None


def _on_its_device(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel, launched where its maps are: Triton takes the device that is set."""

    @wraps(kernel)
    def launch(*arguments: Any) -> Any:
        with torch.cuda.device_of(arguments[0]):  # the CPU, for the interpreter, sets none
            return kernel(*arguments)

    return launch


def _define() -> Any:
    from . import triton_kernels

    definitions = torch.library.Library("mila_ros", "FRAGMENT")
    maps = "Tensor query, Tensor key, Tensor value"
    definitions.define(f"local_attention_triton({maps}, int window) -> (Tensor, Tensor)")
    definitions.define(
        f"local_attention_triton_backward(Tensor gradient, {maps}, Tensor out, Tensor lse, "
        "int window) -> (Tensor, Tensor, Tensor)"
    )
    for kernel, name in ((triton_kernels.forward, ""), (triton_kernels.backward, "_backward")):
        for device in ("CUDA", "CPU"):  # CPU: the interpreter
            definitions.impl(f"local_attention_triton{name}", _on_its_device(kernel), device)

    @torch.library.register_fake("mila_ros::local_attention_triton", lib=definitions)
    def _(query: Tensor, key: Tensor, value: Tensor, window: int) -> tuple[Tensor, Tensor]:
        batch, _, height, width = value.shape
        lse = value.new_empty(batch, height, width, dtype=torch.float32)
        return torch.empty_like(value, memory_format=torch.channels_last), lse

    @torch.library.register_fake("mila_ros::local_attention_triton_backward", lib=definitions)
    def _(
        gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, out: Tensor, lse: Tensor,
        window: int,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        maps = (query, key, value)
        return tuple(torch.empty_like(t, memory_format=torch.channels_last) for t in maps)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        *maps, ctx.window = inputs
        ctx.save_for_backward(*maps, *output)
        ctx.mark_non_differentiable(output[1])

    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        operator = torch.ops.mila_ros.local_attention_triton_backward
        return (*operator(gradient, *ctx.saved_tensors, ctx.window), None)

    torch.library.register_autograd(
        "mila_ros::local_attention_triton", backward, setup_context=keep, lib=definitions
    )
    return definitions
