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
        # None is how an import is forbidden; the type stubs want a module.
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
        write_ir(self._openvino, function, folder / MODEL_FILE, channels_last=True)

    def _read(self, function: FlatFunction, folder: Path, precision: str) -> Graph:
        # bf16 is what OpenVINO takes of itself where it can: fp32 has to be asked for.
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            # It ties every model's threads to the same cores, counted from the first: the slow
            # network would take turns with the frames on one core, and the others lie idle.
            "ENABLE_CPU_PINNING": False,
        }
        model = self._core.compile_model(str(folder / MODEL_FILE), "CPU", settings)
        graph = _Request(self._openvino, model, function)
        checked(function, graph, precision, self.name)
        return graph


def write_ir(
    openvino: Any, function: FlatFunction, path: Path, *, channels_last: bool = False
) -> None:
    """Write a function in OpenVINO's own format, in float32, with static shapes.

    Args:
        openvino: The module.
        function: What to write.
        path: Of the ``.xml``; the weights go beside it.
        channels_last: Whether maps go in and out as [B, H, W, C], logits excepted. Inside, it is
            what the CPU computes in: nothing has to be turned at the border of a graph.
    """
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
    if channels_last:
        model = _turned(openvino, model, function)
    _cancel_turns(model)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _turned(openvino: Any, model: Any, function: FlatFunction) -> Any:
    """The model with its maps, but for logits, as [B, H, W, C]."""
    maps, rows = openvino.Layout("NCHW"), openvino.Layout("NHWC")
    turns = openvino.preprocess.PrePostProcessor(model)
    for number, shape in enumerate(function.input_shapes):
        if len(shape) == 4:
            turns.input(number).tensor().set_layout(rows)
            turns.input(number).model().set_layout(maps)
    for number, name in enumerate(function.outputs):
        if _is_map(name, function.output_shapes[number]):
            turns.output(number).model().set_layout(maps)
            turns.output(number).tensor().set_layout(rows)
    return turns.build()


def _cancel_turns(model: Any) -> None:
    """Take out what turns a tensor back that was turned before.

    OpenVINO does it only where nothing else reads the tensor in between.
    """
    for operation in model.get_ordered_ops():
        before = operation.input_value(0).get_node() if operation.inputs() else operation
        if {operation.get_type_name(), before.get_type_name()} != {"Transpose"}:
            continue
        first, second = (
            turn.input_value(1).get_node().get_data().tolist() for turn in (before, operation)
        )
        if [first[axis] for axis in second] == list(range(len(first))):
            operation.output(0).replace(before.input_value(0))


def _is_map(output: str, shape: Sequence[int]) -> bool:
    """Whether an output is kept for later frames as a map; logits are decoded class by class."""
    return len(shape) == 4 and not output.startswith("logits/")


class _Request:
    """A compiled model that reads tensors where they lie and writes into new ones."""

    def __init__(self, openvino: Any, model: Any, function: FlatFunction) -> None:
        self._tensor = openvino.Tensor
        self._request = model.create_infer_request()
        self._outputs = [
            (shape, _is_map(name, shape))
            for name, shape in zip(function.outputs, function.output_shapes, strict=True)
        ]
        self._lock = threading.Lock()

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        inputs = [_rows(tensor.detach().float(), tensor.dim() == 4) for tensor in tensors]
        outputs, places = [], []
        for shape, is_map in self._outputs:
            memory_format = torch.channels_last if is_map else torch.contiguous_format
            outputs.append(torch.empty(shape, memory_format=memory_format))
            places.append(_rows(outputs[-1], is_map))
        with self._lock:
            for number, tensor in enumerate(inputs):
                self._request.set_input_tensor(number, self._shared(tensor))
            for number, tensor in enumerate(places):
                self._request.set_output_tensor(number, self._shared(tensor))
            self._request.infer()
        return outputs

    def _shared(self, tensor: Tensor) -> Any:
        return self._tensor(tensor.numpy(), shared_memory=True)


def _rows(tensor: Tensor, is_map: bool) -> Tensor:
    """A map as [B, H, W, C], which a tensor in channels-last memory is already."""
    return (tensor.permute(0, 2, 3, 1) if is_map else tensor).contiguous()
