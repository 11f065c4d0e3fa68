# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's own kernels on an NVIDIA GPU, launched all at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from ..errors import EngineError
from ..networks import Network
from .base import Graph, GraphEngine, example
from .eager import DTYPES, channels_last
from .export import checked
from .flat import FlatFunction

_WARM_UPS = 3  # before a capture, as PyTorch's notes on CUDA graphs ask for
_SEED = 1  # not that of the check: a graph that repeats what it was recorded with is found out


class CudaGraphsEngine(GraphEngine):
    """Each part is recorded as a CUDA graph and replayed; weights are converted once.

    Batch-1 frames of a light network spend much of their time launching kernels; a replay is one
    launch.
    """

    name = "cuda_graphs"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        if device.type != "cuda":
            raise EngineError(
                f"the engine cuda_graphs runs on an NVIDIA GPU, not on {device}; choose the device "
                "cuda, or another engine"
            )
        self.precisions = ("fp32", "bf16", "fp16")
        self._networks = {"fp32": network}
        self._stream = torch.cuda.Stream(device)

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        dtype = DTYPES[precision]
        if precision not in self._networks:
            self._networks[precision] = copy.deepcopy(self.network).to(dtype)
        inputs = [tensor.to(dtype) for tensor in example(function, self.device, _SEED)]
        with torch.cuda.device(self.device):
            own = function.of(self._networks[precision])
            graph = _Recording(own, inputs, self._stream)
            checked(function, graph, precision, self.name)
        return graph

    def keep_only(self, precision: str) -> None:
        super().keep_only(precision)
        self._networks = {
            name: network for name, network in self._networks.items() if name in ("fp32", precision)
        }


class _Recording:
    """A CUDA graph with the tensors that it reads and writes.

    Args:
        function: What to record.
        inputs: Any of their shapes and kinds.
        stream: Where to record; not the default one.
    """

    def __init__(
        self, function: FlatFunction, inputs: Sequence[Tensor], stream: torch.cuda.Stream
    ) -> None:
        self._inputs = [channels_last(tensor) for tensor in inputs]
        self._graph = torch.cuda.CUDAGraph()
        main = torch.cuda.current_stream(stream.device)
        stream.wait_stream(main)
        # When a capture fails, PyTorch's context leaves the thread on its stream; this does not.
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                function(*self._inputs)
            # The slow network may be at work in another thread, whose calls are none of this one's.
            recording = torch.cuda.graph(
                self._graph, stream=stream, capture_error_mode="thread_local"
            )
            with recording, Borrowed() as borrowed:
                self._outputs = function(*self._inputs)
        main.wait_stream(stream)
        self._borrowed = borrowed.tensors

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        for own, given in zip(self._inputs, tensors, strict=True):
            own.copy_(given)
        self._graph.replay()
        # In float32 again, so that a state fits every other graph.
        return [output.to(torch.float32, copy=True) for output in self._outputs]


class Borrowed(TorchDispatchMode):
    """Holds what is read while it is on and was there before: inputs, weights, index tensors.

    A recorded graph knows their addresses alone, and others may let them go: local attention its
    index tensors of a size that was not used for long, the engine a network in another precision.

    Attributes:
        tensors: By ``id``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tensors: dict[int, Tensor] = {}
        self._made = WeakTensorKeyDictionary()  # they come and go, and give their ids to others

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for tensor in _tensors((*args, *(kwargs or {}).values())):
            if tensor not in self._made:
                self.tensors[id(tensor)] = tensor
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors([result]):
            if id(tensor) not in self.tensors:
                self._made[tensor] = None
        return result


def _tensors(values: Any) -> list[Tensor]:
    """Those among an operator's arguments or results, which are nested in lists and tuples."""
    if isinstance(values, Tensor):
        return [values]
    if not isinstance(values, list | tuple):
        return []
    return [tensor for value in values for tensor in _tensors(value)]
