# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From PyTorch to other formats, and whether what came out computes the same."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from ..errors import EngineError
from ..networks.local_attention import local_attention_backend
from .base import example
from .flat import FlatFunction

CPU = torch.device("cpu")
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "fp16": 0.05}
"""Largest relative difference (Frobenius norm) from eager fp32 of a graph on random inputs."""

TF32_TOLERANCE = 1e-2
"""The same in fp32 on a GPU. There fp32 is what the libraries take it for: cuDNN and TensorRT round
the factors of a product to TensorFloat-32 first, by up to 5e-4 each, which adds up over the layers
to several times 1e-3. Without that they are several times slower, and nobody has asked for it."""


def exported(function: FlatFunction) -> ExportedProgram:
    """The graph of a function whose network is on the CPU, for its shapes alone."""
    inputs = tuple(example(function, CPU))
    with torch.no_grad(), local_attention_backend("tiles"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Index tensors that are made once and kept must be real ones, not the exporter's.
        function(*inputs)
        return torch.export.export(function, inputs, strict=False)


def write_onnx(function: FlatFunction, path: Path) -> None:
    """Write a function as ONNX, opset 18, with inputs ``in/NAME`` and outputs ``out/NAME``."""
    program = exported(function)
    # It says for each operator of torchvision that torchvision is not there.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            program,
            f=str(path),
            dynamo=True,
            opset_version=18,
            external_data=False,
            verbose=False,
            input_names=[f"in/{name}" for name in function.inputs],
            output_names=[f"out/{name}" for name in function.outputs],
        )


def checked(
    function: FlatFunction,
    graph: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    precision: str,
    engine: str,
) -> None:
    """Compare a graph with eager fp32 on random inputs.

    Raises:
        EngineError: When they differ by more than :func:`tolerance`.
    """
    device = next(function.parameters()).device
    inputs = example(function, device)
    with torch.inference_mode():
        with whole_fp32(device):
            expected = function(*inputs)
        found = graph(inputs)
    for name, ours, theirs in zip(function.outputs, found, expected, strict=True):
        difference = float((ours.float() - theirs).norm() / theirs.norm().clamp(min=1e-12))
        if not difference <= tolerance(precision, device):
            raise EngineError(
                f"the engine {engine} computes {function.part} wrongly here: {name} differs from "
                f"eager by {difference:.2g}; choose the engine eager"
            )


def tolerance(precision: str, device: torch.device) -> float:
    """How far a graph may be from eager fp32 on a device."""
    if precision == "fp32" and device.type == "cuda":
        return TF32_TOLERANCE
    return TOLERANCE[precision]


@contextmanager
def whole_fp32(device: torch.device) -> Iterator[None]:
    """On a GPU, have PyTorch multiply float32 as it is, not rounded to TensorFloat-32."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    try:
        convolutions, products = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:  # the program around has set it operation by operation (torch 2.9)
        yield
        return
    try:
        cudnn.allow_tf32 = False
        if products != "highest":
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        cudnn.allow_tf32 = convolutions
        if products != "highest":
            torch.set_float32_matmul_precision(products)


def artefact_key(function: FlatFunction, engine: str, *details: Any) -> str:
    """A hash of everything that an artefact depends on."""
    distributions = {"openvino": ["openvino"], "onnx": ["onnx"], "tensorrt": ["onnx", "tensorrt"]}
    versions = [_version(name) for name in ["torch", "onnxscript", *distributions[engine]]]
    words = repr((engine, function.digest(), sources(), versions, details))
    return f"{engine}-{hashlib.sha256(words.encode()).hexdigest()[:32]}"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


@cache
def sources() -> str:
    """A hash of the code that graphs are made from."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for folder in ("networks", "engines"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
