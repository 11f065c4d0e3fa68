# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine gives what eager gives, over a stream with all that can happen to one."""

from __future__ import annotations

import copy
import importlib
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import make_tiny_bundle
from torch import Tensor

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.engines import ENGINES, Engine, build_engine, openvino_engine
from mila_ros.engines.base import GraphEngine
from mila_ros.engines.export import TOLERANCE, checked
from mila_ros.engines.flat import FlatFunction
from mila_ros.engines.parts import Part
from mila_ros.errors import EngineError, MilaError
from mila_ros.networks import Network, State
from mila_ros.streaming import Perception, load_bundle

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
SIZE = (32, 64)
# keyframe, tasks; None starts afresh
VIDEO: tuple[tuple[bool, Collection[str] | None] | None, ...] = (
    (True, None), (False, None), (False, None), (True, None), (False, ["depth"]),
    (False, ["depth"]), (True, None), None, (True, None), (False, None),
)  # fmt: skip

needs_openvino = pytest.mark.skipif(
    not openvino_engine.is_there(), reason="openvino is not installed: pip install openvino"
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", ("depth", "motion"))


@pytest.fixture(scope="module")
def network(bundle: Path) -> Network:
    return load_bundle(bundle)[1]


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(1, 3, *SIZE, generator=generator) for _ in VIDEO]


def difference(
    engine: Engine, network: Network, precision: str = "fp32", device: torch.device = CPU
) -> float:
    """The largest relative difference of any frame's logits from eager fp32."""
    worst = 0.0
    state: State | None = None
    expected_state: State | None = None
    with torch.inference_mode():
        for image, frame in zip(images(), VIDEO, strict=True):
            if frame is None:
                state = expected_state = None
                continue
            keyframe, tasks = frame
            image = image.to(device)
            expected, expected_state = network(
                image, expected_state, keyframe=keyframe, tasks=tasks
            )
            logits, state = engine(
                image, state, keyframe=keyframe, tasks=tasks, precision=precision
            )
            assert logits.keys() == expected.keys()
            for task, values in expected.items():
                error = (logits[task].float() - values).norm() / values.norm()
                worst = max(worst, float(error))
    return worst


@needs_openvino
def test_openvino_agrees_and_compiles_each_graph_once(
    network: Network, cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    caplog.set_level("INFO", "mila_ros.engines")
    engine = build_engine("openvino", network, CPU)
    assert difference(engine, network) < TOLERANCE["fp32"]
    # Two encoders; per task a keyframe and a frame between, each at the start and later.
    said = [message for message in caplog.messages if "compiles" in message]
    assert len(said) == 2 + 2 * 4
    assert "the engine openvino compiles encode of keyframes at 32x64 in fp32" in said
    artefacts = sorted(cache.iterdir())
    assert len(artefacts) == 10

    # A second time all is there; in another precision too, where the processor has it.
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(openvino_engine, "write_ir", never)
    assert difference(build_engine("openvino", network, CPU), network) < TOLERANCE["fp32"]
    if "bf16" in engine.precisions:
        assert 1e-4 < difference(engine, network, "bf16") < TOLERANCE["bf16"]
        engine.keep_only("bf16")
        assert difference(engine, network, "bf16") < TOLERANCE["bf16"]
    assert sorted(cache.iterdir()) == artefacts

    # With other weights nothing is there.
    other = copy.deepcopy(network)
    next(other.parameters()).data.mul_(1.01)
    with pytest.raises(EngineError, match="the engine openvino cannot run this network"):
        difference(build_engine("openvino", other, CPU), other)


@needs_openvino
def test_a_damaged_artefact_is_built_again_and_said(
    network: Network, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = build_engine("openvino", network, CPU)
    image = images()[0]

    def run() -> Tensor:
        function = FlatFunction(network, Part("encode", False), image)
        return engine.compile(function, "fp32")([image])[0]

    with torch.inference_mode():
        expected = run()
        (artefact,) = [p for p in cache.iterdir() if p.stat().st_mtime == newest(cache)]
        (artefact / "model.bin").write_bytes(b"nothing")
        assert torch.equal(run(), expected)
        assert "model.bin is damaged" in caplog.text
        # Whole, but nothing that OpenVINO can read: made by another version, say.
        (artefact / "model.xml").write_text("<net/>")
        (artefact / "manifest.json").write_text("{}")
        caplog.clear()
        assert torch.equal(run(), expected)
        assert "cannot be used and is built again" in caplog.text
    shutil.rmtree(artefact)


def newest(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.iterdir())


@needs_openvino
def test_openvino_through_perception_on_a_real_clip(tmp_path: Path) -> None:
    """The maps of the street sample: what differs is at the border between two classes."""
    directory = make_tiny_bundle(tmp_path / "tiny", ("segmentation",))
    clip = ClipFolder.open(ROOT / "samples/street")
    maps = {}
    for name in ("eager", "openvino"):
        perception = Perception.load(directory, device="cpu", engine=name)
        assert perception.engine.name == name and perception.engine.building is None
        frames = [perception.step(clip.image(n), stamp_ns=(n + 1) * 10**8) for n in range(4)]
        assert [frame.is_keyframe for frame in frames] == [True, False, False, True]
        maps[name] = np.stack([frame.segmentation for frame in frames])
    assert len(np.unique(maps["eager"])) > 1
    assert (maps["eager"] == maps["openvino"]).mean() > 0.9995


def test_a_compiled_network_agrees(network: Network) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    engine = build_engine("compile", network, CPU)
    assert isinstance(engine, GraphEngine)
    with torch.inference_mode():
        image = images()[0]  # one graph: each takes the compiler a while
        graph = engine.compile(FlatFunction(network, Part("encode", False), image), "fp32")
        (features,) = graph([image])
        torch.testing.assert_close(features, network.encode(image, False), rtol=1e-4, atol=1e-4)


def test_onnxruntime_agrees(network: Network) -> None:
    for name in ("onnxruntime", "onnx", "onnxscript"):
        pytest.importorskip(name)
    assert difference(build_engine("onnxruntime", network, CPU), network) < TOLERANCE["fp32"]


@needs_gpu
@pytest.mark.parametrize("name", ["cuda_graphs", "tensorrt", "compile"])
def test_gpu_engines_agree(network: Network, name: str) -> None:
    if name == "tensorrt":
        pytest.importorskip("tensorrt")
    device = torch.device("cuda")
    on_gpu = copy.deepcopy(network).to(device)
    engine = build_engine(name, on_gpu, device)
    for precision, limit in (("fp32", 1e-2), ("fp16", 0.05)):
        assert difference(engine, on_gpu, precision, device) < limit


def test_eager_is_the_network_itself(network: Network) -> None:
    engine = build_engine("eager", network, CPU)
    assert difference(engine, network) == 0
    assert 0 < difference(engine, network, "bf16") < 0.05


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


class Identity(GraphEngine):
    """Runs the flat functions as they are; counts what it compiled."""

    name = "identity"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self.compiled: list[tuple[int, ...]] = []

    def compile(self, function: FlatFunction, precision: str) -> Any:
        self.compiled.append(function.input_shapes[0])
        return lambda inputs: function(*inputs)


@torch.inference_mode()
def test_graphs_of_the_sizes_used_last_are_kept(network: Network) -> None:
    engine = Identity(network, CPU)

    def step(height: int) -> None:
        engine(torch.zeros(1, 3, height, 32), None, keyframe=False, tasks=None, precision="fp32")

    for height in (32, 40, 48, 56, 32, 64):  # the fifth size makes 40 the one to go
        step(height)
    before = len(engine.compiled)
    assert before == 5 * 3
    for height in (32, 48, 56, 64):
        step(height)
    assert len(engine.compiled) == before
    step(40)
    assert len(engine.compiled) == before + 3


@needs_openvino
def test_nobody_is_told_that_openvino_is_used() -> None:
    """The module beside it that reports to its makers is not loaded."""
    code = (
        "import sys\nfrom mila_ros.engines.openvino_engine import import_openvino\n"
        "import_openvino()\n"
        "print([m for m in sys.modules if m.startswith('openvino_telemetry') and sys.modules[m]])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stderr
