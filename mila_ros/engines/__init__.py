# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to run a network: PyTorch itself, and compilers and runtimes that are faster.

Imports torch alone; OpenVINO, ONNX Runtime and TensorRT are imported by the engines that need
them.
"""

from __future__ import annotations

import torch

from ..errors import EngineError
from ..networks import Network
from .auto import AutoEngine
from .base import Engine, GraphEngine
from .cuda_graphs import CudaGraphsEngine
from .eager import CompileEngine, EagerEngine
from .onnxruntime_engine import OnnxRuntimeEngine
from .openvino_engine import OpenVinoEngine
from .tensorrt_engine import TensorRtEngine

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (
        AutoEngine,
        EagerEngine,
        CompileEngine,
        OpenVinoEngine,
        OnnxRuntimeEngine,
        CudaGraphsEngine,
        TensorRtEngine,
    )
}


def check_engine(name: str) -> None:
    """Raise an EngineError unless the name is one of ``ENGINES``."""
    if name not in ENGINES:
        raise EngineError(f"unknown engine {name!r}; choose one of {', '.join(ENGINES)}")


def build_engine(name: str, network: Network, device: torch.device) -> Engine:
    """An engine by name.

    Args:
        name: One of ``ENGINES``.
        network: In evaluation mode, float32, on the device.
        device: The CPU or a GPU.

    Raises:
        EngineError: For another name, an engine that is not installed, or one that does not run
            on the device.
    """
    check_engine(name)
    return ENGINES[name](network, device)


__all__ = ["ENGINES", "Engine", "GraphEngine", "build_engine", "check_engine"]
