# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT on an NVIDIA GPU, through ONNX."""

from __future__ import annotations

import copy
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
from .export import CPU, artefact_key, checked, write_onnx
from .flat import FlatFunction

ONNX_FILE, PLAN_FILE = "model.onnx", "model.plan"
WORKSPACE_BYTES = 1 << 30
PIP = "tensorrt onnx onnxscript"


class TensorRtEngine(GraphEngine):
    """NVIDIA's runtime, 8.5 or later. Compiling takes minutes; the plans are kept.

    A plan is for the GPU model and the TensorRT that made it.
    """

    name = "tensorrt"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        if device.type != "cuda":
            raise EngineError(
                f"the engine tensorrt runs on an NVIDIA GPU, not on {device}; choose the device "
                "cuda, or another engine"
            )
        require(self.name, ["tensorrt", "onnx", "onnxscript"], PIP)
        self._trt = importlib.import_module("tensorrt")
        self._logger = self._trt.Logger(self._trt.Logger.WARNING)
        with torch.cuda.device(device):
            self._runtime = self._trt.Runtime(self._logger)
        self.precisions = ("fp32", "bf16", "fp16") if self._has("BF16") else ("fp32", "fp16")

    def compile(self, function: FlatFunction, precision: str) -> Graph:
        gpu = torch.cuda.get_device_name(self.device)
        with torch.cuda.device(self.device):  # TensorRT builds and reads for the one that is set
            return obtain(
                artefact_key(function, self.name, precision, gpu),
                write=lambda folder: self._write(function, folder, precision),
                read=lambda folder: self._read(function, folder, precision),
            )

    def _has(self, flag: str) -> bool:
        return hasattr(self._trt.BuilderFlag, flag)

    def _write(self, function: FlatFunction, folder: Path, precision: str) -> None:
        on_cpu = function.of(copy.deepcopy(self.network).to(CPU))
        write_onnx(on_cpu, folder / ONNX_FILE)
        builder = self._trt.Builder(self._logger)
        # Explicit batch is a flag in TensorRT 8 and all that there is since 10.
        flag = getattr(self._trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
        network = builder.create_network(0 if flag is None else 1 << int(flag))
        parser = self._trt.OnnxParser(network, self._logger)
        if not parser.parse((folder / ONNX_FILE).read_bytes()):
            raise EngineError(f"TensorRT cannot read {function.part}: {parser.get_error(0)}")
        config = builder.create_builder_config()
        config.set_memory_pool_limit(self._trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
        if precision != "fp32":
            config.set_flag(getattr(self._trt.BuilderFlag, precision.upper()))
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise EngineError(f"TensorRT cannot compile {function.part}; its log says why")
        (folder / PLAN_FILE).write_bytes(plan)
        (folder / ONNX_FILE).unlink()

    def _read(self, function: FlatFunction, folder: Path, precision: str) -> Graph:
        plan = self._runtime.deserialize_cuda_engine((folder / PLAN_FILE).read_bytes())
        if plan is None:
            raise EngineError(f"{PLAN_FILE} is of another GPU or TensorRT")
        graph = _Plan(self._trt, plan, function.output_shapes, self.device)
        checked(function, graph, precision, self.name)
        return graph


class _Plan:
    """A deserialised plan; inputs and outputs are float32 tensors on the GPU."""

    def __init__(
        self, trt: Any, plan: Any, shapes: Sequence[tuple[int, ...]], device: torch.device
    ) -> None:
        self._context = plan.create_execution_context()
        names = [plan.get_tensor_name(number) for number in range(plan.num_io_tensors)]
        inputs = [n for n in names if plan.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        self._inputs = inputs
        self._outputs = [name for name in names if name not in inputs]
        self._shapes = shapes
        self._device = device
        self._plan = plan

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        inputs = [tensor.float().contiguous() for tensor in tensors]
        outputs = [torch.empty(shape, device=self._device) for shape in self._shapes]
        for name, tensor in zip([*self._inputs, *self._outputs], [*inputs, *outputs], strict=True):
            self._context.set_tensor_address(name, tensor.data_ptr())
        stream = torch.cuda.current_stream(self._device)
        with torch.cuda.device(self._device):
            if not self._context.execute_async_v3(stream.cuda_stream):
                raise RuntimeError("TensorRT refused to run")
        return outputs
