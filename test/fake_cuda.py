# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""As much of ``torch.cuda`` as engines touch, on the CPU: it knows what is set, and replays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Stream:
    def __init__(self, device: torch.device, priority: int = 0) -> None:
        self.device = torch.device(device)
        self.cuda_stream = id(self)

    def wait_stream(self, other: Stream) -> None: ...


class Graph(TorchDispatchMode):
    """Writes operations down, and does them again with the same tensors: what a CUDA graph is."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.is_frozen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        if self.is_frozen:
            return
        for func, args, kwargs, result in self.operations:
            again = func(*args, **kwargs)
            pairs = zip(again, result, strict=True) if isinstance(again, list | tuple) else ()
            for new, own in pairs or [(again, result)]:
                if isinstance(own, Tensor) and new is not own:
                    own.copy_(new)


class FakeCuda:
    """Stands in for ``torch.cuda``.

    Attributes:
        main: The stream that the thread begins with, of the first GPU.
        stream, device: What is set now.
        captures: Streams and devices that were set while something was recorded.
        freezes: Whether graphs that are recorded answer the same for ever.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device = torch.device("cuda", 0)
        self.main = self.stream = Stream(self.device)
        self.captures: list[tuple[Stream, torch.device]] = []
        self.freezes = False
        for name, fake in {
            "Stream": Stream, "CUDAGraph": Graph, "graph": self._graph, "stream": self._set_stream,
            "device": self._set_device, "current_stream": lambda device=None: self.stream,
            "get_device_name": lambda device: "a GPU",
        }.items():  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, fake)

    @contextmanager
    def _set_stream(self, stream: Stream) -> Iterator[None]:
        before = self.stream, self.device
        self.stream, self.device = stream, stream.device
        try:
            yield
        finally:
            self.stream, self.device = before

    @contextmanager
    def _set_device(self, device: torch.device) -> Iterator[None]:
        before, self.device = self.device, torch.device(device)
        try:
            yield
        finally:
            self.device = before

    @contextmanager
    def _graph(self, graph: Graph, *, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        """As PyTorch's, it stays on its stream when what is recorded fails."""
        before, self.stream = self.stream, stream
        self.captures.append((stream, self.device))
        try:
            with graph:
                yield
        except Exception as error:
            raise RuntimeError("the capture failed due to an earlier error") from error
        self.stream = before
        graph.is_frozen = self.freezes
