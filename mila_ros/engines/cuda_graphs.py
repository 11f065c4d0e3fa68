# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's own kernels on an NVIDIA GPU, launched all at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import EngineError
from ..networks import Network
from .base import Graph, GraphEngine, example
from .eager import DTYPES
from .export import checked
from .flat import FlatFunction

_WARM_UPS = 3  # before a capture, as PyTorch's notes on CUDA graphs ask for


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

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        if precision not in self._networks:
            self._networks[precision] = copy.deepcopy(self.network).to(DTYPES[precision])
        graph = _Recording(
            function.of(self._networks[precision]),
            [tensor.to(DTYPES[precision]) for tensor in example(function, self.device)],
        )
        checked(function, graph, precision, self.name)
        return graph

    def keep_only(self, precision: str) -> None:
        super().keep_only(precision)
        self._networks = {
            name: network for name, network in self._networks.items() if name in ("fp32", precision)
        }


class _Recording:
    """A CUDA graph with the tensors that it reads and writes."""

    def __init__(self, function: FlatFunction, inputs: Sequence[Tensor]) -> None:
        self._inputs = [
            t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in inputs
        ]
        device = self._inputs[0].device
        side, main = torch.cuda.Stream(device), torch.cuda.current_stream(device)
        side.wait_stream(main)
        with torch.inference_mode(), torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                function(*self._inputs)
        main.wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        # The slow network may be at work in another thread, whose calls are none of this one's.
        recording = torch.cuda.graph(self._graph, capture_error_mode="thread_local")
        with torch.inference_mode(), recording:
            self._outputs = function(*self._inputs)

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        for own, given in zip(self._inputs, tensors, strict=True):
            own.copy_(given)
        self._graph.replay()
        return [output.clone() for output in self._outputs]
