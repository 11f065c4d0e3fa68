# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU: all precisions and threads that the processor has."""

from __future__ import annotations

import importlib.util
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import EngineError
from ..networks import Network
from .base import Graph, GraphEngine, require
from .cache import obtain
from .export import artefact_key, checked, exported
from .flat import FlatFunction

MODEL_FILE = "model.xml"
HINTS = {"fp32": "f32", "bf16": "bf16"}


def import_openvino() -> Any:
    """The module, without the one beside it that reports its use to its makers.

    Raises:
        EngineError: When it is not installed, or does not load.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    require("openvino", ["openvino"], "openvino")
    return importlib.import_module("openvino")


def is_there() -> bool:
    """Whether it is installed and loads."""
    if importlib.util.find_spec("openvino") is None:
        return False
    try:
        import_openvino()
    except EngineError:
        return False
    return True


class OpenVinoEngine(GraphEngine):
    """Intel's runtime, on any x86-64 or ARM CPU; as many threads as PyTorch has when compiling."""

    name = "openvino"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        if device.type != "cpu":
            raise EngineError(
                f"the engine openvino runs on the CPU, not on {device}; choose the device cpu, or "
                "another engine"
            )
        self._openvino = import_openvino()
        self._core = self._openvino.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precisions = ("fp32", "bf16") if "BF16" in capabilities else ("fp32",)

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        key = artefact_key(function, "openvino")
        return obtain(
            key,
            write=lambda folder: self._write(function, folder),
            read=lambda folder: self._read(function, folder, precision),
        )

    def _write(self, function: FlatFunction, folder: Path) -> None:
        write_ir(self._openvino, function, folder / MODEL_FILE)

    def _read(self, function: FlatFunction, folder: Path, precision: str) -> Graph:
        # bf16 is what OpenVINO takes of itself where it can: fp32 has to be asked for.
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        model = self._core.compile_model(str(folder / MODEL_FILE), "CPU", settings)
        graph = _Request(self._openvino, model, function.output_shapes)
        checked(function, graph, precision, self.name)
        return graph


def write_ir(openvino: Any, function: FlatFunction, path: Path) -> None:
    """Write a function in OpenVINO's own format, in float32, with static shapes."""
    program = exported(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(program)
    model.reshape(
        {port: list(shape) for port, shape in zip(model.inputs, function.input_shapes, strict=True)}
    )
    for port, name in zip(model.inputs, function.inputs, strict=True):
        port.get_tensor().set_names({f"in/{name}"})
    for port, name in zip(model.outputs, function.outputs, strict=True):
        port.get_tensor().set_names({f"out/{name}"})
    openvino.save_model(model, str(path), compress_to_fp16=False)


class _Request:
    """A compiled model that reads tensors where they lie and writes into new ones."""

    def __init__(self, openvino: Any, model: Any, shapes: Sequence[tuple[int, ...]]) -> None:
        self._tensor = openvino.Tensor
        self._request = model.create_infer_request()
        self._shapes = shapes
        self._lock = threading.Lock()

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        outputs = [torch.empty(shape) for shape in self._shapes]
        inputs = [tensor.detach().float().contiguous() for tensor in tensors]
        with self._lock:
            for number, tensor in enumerate(inputs):
                self._request.set_input_tensor(number, self._shared(tensor))
            for number, tensor in enumerate(outputs):
                self._request.set_output_tensor(number, self._shared(tensor))
            self._request.infer()
        return outputs

    def _shared(self, tensor: Tensor) -> Any:
        return self._tensor(tensor.numpy(), shared_memory=True)
