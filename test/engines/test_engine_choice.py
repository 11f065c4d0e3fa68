# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which engine auto is, and what is refused, in words."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_bench import CPU, difference, images

from mila_ros.engines import ENGINES, build_engine, openvino_engine
from mila_ros.engines.base import GraphEngine
from mila_ros.engines.export import TOLERANCE, checked
from mila_ros.engines.flat import FlatFunction
from mila_ros.engines.parts import Part
from mila_ros.errors import EngineError, MilaError
from mila_ros.networks import Network
from mila_ros.streaming import Perception


def test_auto_is_openvino_where_it_loads_and_eager_elsewhere(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "is_there", lambda: False)
    engine = build_engine("auto", network, CPU)
    assert engine.name == "eager" and engine.precisions == ("fp32", "bf16")
    assert difference(engine, network) == 0
    monkeypatch.undo()
    expected = "openvino" if openvino_engine.is_there() else "eager"
    assert build_engine("auto", network, CPU).name == expected


class Broken(GraphEngine):
    name = "openvino"

    def compile(self, function: FlatFunction, precision: str) -> Any:
        assert self.building == f"{function.part} at 32x64 in {precision}"
        raise RuntimeError("no such operator\nat line 5")


def test_auto_goes_on_with_eager_when_openvino_cannot(
    network: Network, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(openvino_engine, "is_there", lambda: True)
    monkeypatch.setattr(openvino_engine, "OpenVinoEngine", Broken)
    engine = build_engine("auto", network, CPU)
    assert engine.name == "openvino"
    assert difference(engine, network) == 0
    assert engine.name == "eager" and engine.building is None
    assert caplog.messages == [
        "the engine openvino cannot run this network (encode of keyframes at 32x64 in fp32): no "
        "such operator; choose the engine eager; the engine is eager from now on"
    ]


def test_a_graph_that_computes_something_else_is_refused(network: Network) -> None:
    function = FlatFunction(network, Part("encode", False), images()[0])
    checked(function, lambda inputs: function(*inputs), "fp32", "test")
    with pytest.raises(EngineError, match="test computes encode of the frames between wrongly"):
        checked(function, lambda inputs: [1.01 * t for t in function(*inputs)], "fp32", "test")
    checked(function, lambda inputs: [1.01 * t for t in function(*inputs)], "bf16", "test")
    assert TOLERANCE["fp32"] < 0.01 < TOLERANCE["bf16"]


@pytest.mark.parametrize(
    ("name", "module", "pip"),
    [("openvino", "openvino", "openvino"),
     ("onnxruntime", "onnxruntime", "onnxruntime onnx onnxscript")],
)  # fmt: skip
def test_an_engine_that_is_not_installed_is_refused_with_the_mend(
    name: str, module: str, pip: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(wanted: str) -> Any:
        raise ModuleNotFoundError(f"No module named {wanted!r}", name=wanted)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(EngineError) as error:
        build_engine(name, network, CPU)
    assert str(error.value) == (
        f"the engine {name} is not there: {module} is not installed; run: pip install {pip}"
    )


def test_wrong_names_devices_and_precisions_are_refused_in_words(
    network: Network, bundle: Path
) -> None:
    with pytest.raises(EngineError, match="unknown engine 'fast'; choose one of auto, eager,"):
        build_engine("fast", network, CPU)
    for name in ("cuda_graphs", "tensorrt"):
        with pytest.raises(EngineError, match=f"{name} runs on an NVIDIA GPU, not on cpu"):
            build_engine(name, network, CPU)
    for name in ("openvino", "onnxruntime"):
        with pytest.raises(EngineError, match=f"{name} runs on the CPU, not on cuda"):
            build_engine(name, network, torch.device("cuda"))
    with pytest.raises(MilaError, match="unknown engine 'fast'"):
        Perception.load(bundle, engine="fast")
    with pytest.raises(MilaError, match="fp16 is not there with this engine on cpu; choose auto"):
        Perception.load(bundle, device="cpu", precision="fp16")
    assert set(ENGINES) == {
        "auto", "eager", "compile", "openvino", "onnxruntime", "cuda_graphs", "tensorrt"
    }  # fmt: skip
