# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the CPU, in float32."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import EngineError
from ..networks import Network
from .base import Graph, GraphEngine, require
from .cache import obtain
from .export import artefact_key, checked, write_onnx
from .flat import FlatFunction

MODEL_FILE = "model.onnx"
PIP = "onnxruntime onnx onnxscript"


class OnnxRuntimeEngine(GraphEngine):
    """Microsoft's runtime; as many threads as PyTorch has when compiling."""

    name = "onnxruntime"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        if device.type != "cpu":
            raise EngineError(
                f"the engine onnxruntime runs on the CPU, not on {device}; choose the device cpu, "
                "or another engine"
            )
        require(self.name, ["onnxruntime", "onnx", "onnxscript"], PIP)
        self._onnxruntime = importlib.import_module("onnxruntime")

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        return obtain(
            artefact_key(function, "onnx"),
            write=lambda folder: write_onnx(function, folder / MODEL_FILE),
            read=lambda folder: self._read(function, folder),
        )

    def _read(self, function: FlatFunction, folder: Path) -> Graph:
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = self._onnxruntime.InferenceSession(
            str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
        )
        graph = _Session(session)
        checked(function, graph, "fp32", self.name)
        return graph


class _Session:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._names = [port.name for port in session.get_inputs()]

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        arrays = (tensor.detach().float().contiguous().numpy() for tensor in tensors)
        outputs = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        return [torch.from_numpy(array) for array in outputs]
