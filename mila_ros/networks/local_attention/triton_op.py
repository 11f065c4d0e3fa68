# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Triton kernels as PyTorch operators, defined when they are first asked for."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from typing import Any

import torch
from torch import Tensor

_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_definitions: Any = None  # the operators exist for as long as this does
_reason: str | None = None  # why they cannot be had


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
    return value.device.type == "cuda" and kinds <= {torch.float32, torch.float16, torch.bfloat16}


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
    with _lock:
        if _definitions is None and _reason is None:
            _reason = _missing()
            if _reason is None:
                _definitions = _define()
            else:
                _logger.warning("%s", _reason)
    return _reason


def _missing() -> str | None:
    wanted = "local attention goes on without its Triton kernels:"
    if not hasattr(torch.library, "register_autograd"):
        return f"{wanted} they need torch 2.4, and this is {torch.__version__}"
    if importlib.util.find_spec("triton") is None:
        return f"{wanted} triton is not installed; pip install triton"
    if interpreting():
        return None
    if not torch.cuda.is_available():
        return f"{wanted} there is no CUDA GPU here"
    capability = torch.cuda.get_device_capability()
    if capability < (8, 0):
        return f"{wanted} they need a GPU of compute capability 8.0, and this one has " + ".".join(
            map(str, capability)
        )
    return None


def _define() -> Any:
    from . import triton_kernels

    definitions = torch.library.Library("mila_ros", "FRAGMENT")
    maps = "Tensor query, Tensor key, Tensor value"
    definitions.define(f"local_attention_triton({maps}, int window) -> (Tensor, Tensor)")
    definitions.define(
        f"local_attention_triton_backward(Tensor gradient, {maps}, Tensor out, Tensor lse, "
        "int window) -> (Tensor, Tensor, Tensor)"
    )
    for device in ("CUDA", "CPU"):  # CPU: the interpreter
        definitions.impl("local_attention_triton", triton_kernels.forward, device)
        definitions.impl("local_attention_triton_backward", triton_kernels.backward, device)

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
