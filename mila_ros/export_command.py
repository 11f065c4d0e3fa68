# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila export``: a model as files that other runtimes read."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mila_ros.arguments import network_size
from mila_ros.environment import versions
from mila_ros.errors import MilaError

if TYPE_CHECKING:
    from mila_ros.engines.flat import FlatFunction
    from mila_ros.networks import Network
    from mila_ros.streaming import Bundle

EXAMPLES = """\
examples:
  mila export --model mila_street --format onnx --out exported
  mila export --model mila_street --format openvino --tasks depth --size 768x384 --out depth
"""
FORMATS = {"onnx": ".onnx", "openvino": ".xml"}
DESCRIPTION = "export.json"
HOW_TO = (
    "Start with the graph of kind keyframe whose inputs are the image alone. After each graph, "
    "take every entry of its next_state: an output of this graph, or the tensor of the state "
    "before that has that name. For the next frame take a graph of the kind you want whose "
    "inputs the state has, the one with the most inputs."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Writes the steps of a model, from image and state to logits and state, as graphs for "
        f"other runtimes, for one image size, and {DESCRIPTION}, which says what goes in and "
        "comes out. For TensorRT: trtexec --onnx=FILE --fp16."
    )
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", required=True, help="name of an installed model, or a folder")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="default: onnx")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument("--size", type=network_size, metavar="WxH", help="default: the model's own")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="default: all of the model's")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the exit status.

    Raises:
        MilaError: There is no such model or task, the format's packages are not installed, or the
            folder cannot be written.
    """
    from mila_ros.streaming import load_bundle

    bundle, network = load_bundle(arguments.model)
    tasks = tuple(arguments.tasks or bundle.task_names)
    if unknown := [task for task in tasks if task not in bundle.task_names]:
        raise MilaError(
            f"the model {bundle.name} has no task {unknown[0]!r}; it has "
            f"{', '.join(bundle.task_names)}"
        )
    width, height = arguments.size or bundle.input_size[::-1]
    write = _writer(arguments.format)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        graphs = []
        for name, function in steps(network, tasks, height, width):
            path = arguments.out / f"{name}{FORMATS[arguments.format]}"
            write(function, path)
            graphs.append({"file": path.name, **_describe(function)})
            print(path)
        document = _document(bundle, tasks, arguments.format, (height, width), graphs)
        temporary = arguments.out / f".{DESCRIPTION}"
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, arguments.out / DESCRIPTION)
    except OSError as error:
        raise MilaError(
            f"{arguments.out} cannot be written: {error.strerror or error}; name another folder"
        ) from error
    print(arguments.out / DESCRIPTION)
    return 0


def steps(
    network: Network, tasks: tuple[str, ...], height: int, width: int
) -> Iterator[tuple[str, FlatFunction]]:
    """The different ways in which the frames of a video are computed, by name."""
    import torch

    from mila_ros.engines.flat import FlatFunction
    from mila_ros.engines.parts import STEP, Part, Streamed

    image = torch.empty(1, 3, height, width, device="meta")
    states = {"": Streamed({}, {})}  # by the graph that leaves them
    done: list[FlatFunction] = []
    for name, before, keyframe in (
        ("keyframe_first", "", True),
        ("frame_first", "keyframe_first", False),
        ("frame", "frame_first", False),
        ("keyframe", "frame", True),
        ("keyframe_second", "keyframe_first", True),
    ):
        part = Part(STEP, keyframe or network.slow_only, tasks)
        function = FlatFunction(network, part, image, states[before])
        states[name] = function.result.state
        if not any(function.is_same(other) for other in done):
            done.append(function)
            yield ("keyframe" if part.keyframe and not keyframe else name), function


def _writer(format_: str) -> Any:
    from mila_ros.engines.base import require
    from mila_ros.engines.export import write_onnx
    from mila_ros.engines.openvino_engine import import_openvino, write_ir

    if format_ == "openvino":
        module = import_openvino()
        return lambda function, path: write_ir(module, function, path)
    require("onnx", ["onnx", "onnxscript"], "onnx onnxscript")
    return write_onnx


def _describe(function: FlatFunction) -> dict[str, Any]:
    def ports(side: str, names: Any, shapes: Any) -> list[dict[str, Any]]:
        return [
            {"name": f"{side}/{name}", "shape": list(shape), "dtype": "float32"}
            for name, shape in zip(names, shapes, strict=True)
        ]

    return {
        "kind": "keyframe" if function.part.keyframe else "frame",
        "inputs": ports("in", function.inputs, function.input_shapes),
        "outputs": ports("out", function.outputs, function.output_shapes),
        "next_state": {
            f"in/{name}": f"out/{origin}" if is_new else f"in/{origin}"
            for name, (is_new, origin) in function.origins().items()
            if name.startswith("state/")
        },
    }


def _document(
    bundle: Bundle,
    tasks: tuple[str, ...],
    format_: str,
    size: tuple[int, int],
    graphs: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "model": bundle.name,
        "weights_sha256": bundle.weights_sha256,
        "format": format_,
        "image": {
            "height": size[0],
            "width": size[1],
            "layout": "NCHW, RGB, (value / 255 - mean) / std",
            "mean": list(bundle.input.mean),
            "std": list(bundle.input.std),
        },
        "tasks": [
            {"name": task.name, "channels": task.channels, "activation": task.activation}
            for task in bundle.tasks
            if task.name in tasks
        ],
        "keyframe_every": bundle.keyframe_every,
        "how_to": HOW_TO,
        "graphs": graphs,
        "versions": versions(),
    }
