# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch as it is, and PyTorch compiled."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from ..networks import Network, State
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

    On a CPU it needs a C++ compiler at run time. Local attention is compiled as the implementation
    that is in use; when that changes, graphs are compiled again.
    """

    name = "compile"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self.precisions = offered(device)

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        inputs = example(function, self.device)
        # What is looked for or made at its first use is there before Dynamo comes by.
        Autocast(function, self.device, precision)(inputs)
        # A part that is not one graph is refused: it would be slow and nobody would know.
        compiled = torch.compile(
            _alone(function), fullgraph=True, dynamic=False, **self._settings(precision)
        )
        graph = Autocast(compiled, self.device, precision)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dynamo's, on caches that it sees through
            graph(inputs)  # compiled in fact now, which is the time that `building` covers
        return graph

    def _settings(self, precision: str) -> Mapping[str, Any]:
        """What else ``torch.compile`` is told."""
        # With weights as constants, PyTorch 2.13's compiler fails at local attention in bf16 on a
        # CPU: the assertion of its issue 187337.
        freezing = self.device.type != "cpu" or precision == "fp32"
        return {"options": {"freezing": freezing}}


_numbers = itertools.count()


def _alone(function: FlatFunction) -> Callable[..., Sequence[Tensor]]:
    """The function with a code object of its own.

    Dynamo counts by code object how often it has compiled, and gives up at the eighth time
    (``recompile_limit``). All flat functions have that of one ``forward``; a network has more
    graphs than that.
    """

    def call(*tensors: Tensor) -> Sequence[Tensor]:
        result: Sequence[Tensor] = function(*tensors)
        return result

    name = re.sub(r"\W+", "_", f"{function.part} {next(_numbers)}")
    code = call.__code__.replace(co_name=name)
    return FunctionType(code, call.__globals__, name, None, call.__closure__)


class Autocast:
    """A graph whose inputs lie the same way every time, and whose outputs are float32 again.

    So a state fits every other graph.
    """

    def __init__(
        self, function: Callable[..., Sequence[Tensor]], device: torch.device, precision: str
    ) -> None:
        self._function = function
        self._device = device
        self._precision = precision

    def __call__(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        inputs = [channels_last(tensor) for tensor in tensors]
        with autocast(self._device, self._precision):
            return [tensor.float() for tensor in self._function(*inputs)]


def channels_last(tensor: Tensor) -> Tensor:
    """A map in channels-last memory, as frames come, seen with the strides that its shape says.

    A new view each time. For PyTorch it means nothing which stride a dimension of size 1 has, or
    whether two arguments are one object; Dynamo would compile again.
    """
    if tensor.dim() != 4:
        return tensor.contiguous().view(tensor.shape)
    _, channels, height, width = tensor.shape
    strides = (height * width * channels, 1, width * channels, channels)
    return tensor.contiguous(memory_format=torch.channels_last).as_strided(tensor.shape, strides)
