# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch as it is, and PyTorch compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from ..networks import Network, State
from ..networks.local_attention import local_attention_backend
from ..networks.propagation import Source
from .base import Engine, Graph, GraphEngine, example
from .flat import FlatFunction
from .parts import sources_in_parts

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network of float32 weights computes in a precision."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")


def offered(device: torch.device) -> tuple[str, ...]:
    """The precisions in which PyTorch computes well on a device."""
    return ("fp32", "bf16") if device.type == "cpu" else ("fp32", "bf16", "fp16")


class EagerEngine(Engine):
    """The network itself, operation by operation."""

    name = "eager"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self.precisions = offered(device)

    def __call__(
        self,
        image: Tensor,
        state: State | None,
        *,
        keyframe: bool,
        tasks: Collection[str] | None,
        precision: str,
    ) -> tuple[dict[str, Tensor], State]:
        with autocast(self.device, precision):
            return self.network(image, state, keyframe=keyframe, tasks=tasks)

    def sources(self, image: Tensor, *, precision: str) -> Mapping[str, Source]:
        with autocast(self.device, precision):
            return sources_in_parts(lambda part, *given: part(self.network, *given), image)


class CompileEngine(GraphEngine):
    """``torch.compile``. It keeps its own cache of what it has compiled.

    On a CPU it needs a C++ compiler at run time.
    """

    name = "compile"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self.precisions = offered(device)

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        compiled = torch.compile(function, dynamic=False, options={"freezing": True})
        graph = Autocast(compiled, self.device, precision)
        # Compiled in fact by the first call, which belongs to the time that `building` covers.
        with local_attention_backend("tiles"):
            graph(example(function, self.device))
        return graph


class Autocast:
    """A graph whose outputs are float32 again, so that a state fits every other graph."""

    def __init__(
        self, function: Callable[..., Sequence[Tensor]], device: torch.device, precision: str
    ) -> None:
        self._function = function
        self._device = device
        self._precision = precision

    def __call__(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        with autocast(self._device, self._precision):
            return [tensor.float() for tensor in self._function(*tensors)]
