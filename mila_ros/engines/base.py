# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What runs a network: the interface, and what all engines that compile have in common."""

from __future__ import annotations

import importlib
import logging
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import EngineError
from ..networks import Network, State
from ..networks.propagation import Source
from .flat import FlatFunction
from .parts import Part, in_parts, sources_in_parts
from .trees import Tree, leaves

Graph = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""A compiled :class:`FlatFunction`: inputs to outputs, on the engine's device, in any memory
format. The outputs are the caller's to keep."""

MAX_SIZES = 4
"""Image sizes whose graphs are kept; beyond them those used the longest ago are dropped."""

log = logging.getLogger("mila_ros.engines")


class Engine(ABC):
    """Runs a network's step; called by one thread at a time, or by one for each encoder.

    Args:
        network: In evaluation mode, float32, on ``device``. It is never changed.
        device: Where images come from and logits go to.

    Attributes:
        name: One of ``ENGINES``.
        precisions: The number formats it offers on this device.
    """

    name: str

    def __init__(self, network: Network, device: torch.device) -> None:
        self.network = network
        self.device = device
        self.precisions: tuple[str, ...] = ("fp32",)

    @property
    def building(self) -> str | None:
        """What is being compiled now, in words; None most of the time. Any thread may look."""
        return None

    @abstractmethod
    def __call__(
        self,
        image: Tensor,
        state: State | None,
        *,
        keyframe: bool,
        tasks: Collection[str] | None,
        precision: str,
    ) -> tuple[dict[str, Tensor], State]:
        """As :meth:`Network.forward`, in a number format; logits may be of that format too.

        Raises:
            EngineError: When something has to be compiled for it and cannot be.
            ValueError: As the network does.
        """

    @abstractmethod
    def sources(self, image: Tensor, *, precision: str) -> Mapping[str, Source]:
        """``state.key`` after MILA's ``network(image, keyframe=True)``; nothing is decoded.

        Raises:
            EngineError: As a call.
        """

    def keep_only(self, precision: str) -> None:  # noqa: B027 (eager compiles nothing)
        """Free what was compiled for other number formats."""


class GraphEngine(Engine):
    """Compiles the network part by part, each for one set of shapes, when it is first needed."""

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        # By height and width; below it by part, precision, and names and shapes of its arguments.
        self._graphs: OrderedDict[tuple[int, ...], dict[Any, tuple[FlatFunction, Graph]]]
        self._graphs = OrderedDict()
        self._lock = threading.Lock()  # over the table; never held while compiling
        self._build_lock = threading.Lock()  # exporters are not made for two threads
        self._building: str | None = None

    @property
    def building(self) -> str | None:
        return self._building

    @abstractmethod
    def compile(self, function: FlatFunction, precision: str) -> Graph:
        """Make a graph. Whatever it raises becomes an EngineError."""

    def __call__(
        self,
        image: Tensor,
        state: State | None,
        *,
        keyframe: bool,
        tasks: Collection[str] | None,
        precision: str,
    ) -> tuple[dict[str, Tensor], State]:
        run = partial(self._run, tuple(image.shape[2:]), precision)
        return in_parts(self.network, run, image, state, keyframe, tasks)

    def sources(self, image: Tensor, *, precision: str) -> Mapping[str, Source]:
        return sources_in_parts(partial(self._run, tuple(image.shape[2:]), precision), image)

    def keep_only(self, precision: str) -> None:
        with self._lock:
            for graphs in self._graphs.values():
                for key in [key for key in graphs if key[1] != precision]:
                    del graphs[key]

    def _run(self, size: tuple[int, ...], precision: str, part: Part, *arguments: Tree) -> Tree:
        shapes = tuple((name, tensor.shape) for name, tensor in leaves(arguments))
        function, graph = self._graph(size, (part, precision, shapes), arguments)
        return function.restore(arguments, graph(function.pick(arguments)))

    def _graph(
        self, size: tuple[int, ...], key: tuple[Part, str, Any], arguments: Tree
    ) -> tuple[FlatFunction, Graph]:
        found = self._find(size, key)
        if found is None:
            with self._build_lock:
                found = self._find(size, key) or self._build(size, key, arguments)
                with self._lock:
                    self._graphs.setdefault(size, {})[key] = found
                    if len(self._graphs) > MAX_SIZES:
                        self._graphs.popitem(last=False)
        return found

    def _find(
        self, size: tuple[int, ...], key: tuple[Part, str, Any]
    ) -> tuple[FlatFunction, Graph] | None:
        with self._lock:
            if size not in self._graphs:
                return None
            self._graphs.move_to_end(size)
            return self._graphs[size].get(key)

    def _build(
        self, size: tuple[int, ...], key: tuple[Part, str, Any], arguments: Tree
    ) -> tuple[FlatFunction, Graph]:
        part, precision, _ = key
        count = next(tensor.shape[0] for _, tensor in leaves(arguments))
        what = f"{part} at {size[0]}x{size[1]} in {precision}"
        what += f" for {count} at once" if count > 1 else ""
        try:
            function = FlatFunction(self.network, part, *arguments)
            with self._lock:
                known = list(self._graphs.get(size, {}).items())
            for (_, other_precision, _), (other, graph) in known:
                # What was left out of the state differs, what is computed does not.
                if other_precision == precision and other.is_same(function):
                    return function, graph
            self._building = what
            log.info("the engine %s compiles %s", self.name, what)
            return function, self.compile(function, precision)
        except EngineError:
            raise
        except Exception as error:  # the exporters and compilers raise whatever they like
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise EngineError(
                f"the engine {self.name} cannot run this network ({what}): {reason}; "
                "choose the engine eager"
            ) from error
        finally:
            self._building = None


def example(function: FlatFunction, device: torch.device, seed: int = 0) -> list[Tensor]:
    """Inputs of standard normal numbers, always the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(device) for shape in function.input_shapes]


def require(engine: str, modules: Sequence[str], pip: str) -> None:
    """Import what an engine needs.

    Raises:
        EngineError: When it is not installed, or does not load.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == module
            what = f"{module} is not installed" if missing else f"{module} does not load: {error}"
            raise EngineError(
                f"the engine {engine} is not there: {what}; run: pip install {pip}"
            ) from error
