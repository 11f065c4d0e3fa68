# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine gives what eager gives, over a stream with all that can happen to one."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_bench import CPU, difference, images
from helpers import make_tiny_bundle
from torch import Tensor

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.engines import build_engine, openvino_engine
from mila_ros.engines.base import GraphEngine
from mila_ros.engines.export import TOLERANCE
from mila_ros.engines.flat import FlatFunction
from mila_ros.engines.parts import Part
from mila_ros.errors import EngineError
from mila_ros.networks import Network
from mila_ros.streaming import Perception

ROOT = Path(__file__).resolve().parents[2]

needs_openvino = pytest.mark.skipif(
    not openvino_engine.is_there(), reason="openvino is not installed: pip install openvino"
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


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
    def never(*_: object, **__: object) -> None:
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
def test_a_batch_has_graphs_of_its_own_beside_those_of_one_frame(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mila_ros.engines")
    engine = build_engine("openvino", network, CPU)
    several = [torch.cat(pair) for pair in pairwise(images()[:3])]

    def play(number: slice) -> dict[str, Tensor]:
        state = None
        for keyframe, batch in zip((True, False), several, strict=True):
            logits, state = engine(
                batch[number], state, keyframe=keyframe, tasks=None, precision="fp32"
            )
        return logits

    with torch.inference_mode():
        both, first, second = (play(slice(*ends)) for ends in ((0, 2), (0, 1), (1, 2)))
    for task, logits in both.items():
        expected = torch.cat([first[task], second[task]])
        assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()
    # One size of image, so that batches push no other size out.
    assert list(engine._graphs) == [(32, 64)]
    said = [message for message in caplog.messages if "compiles" in message]
    assert len(said) == 2 * len([message for message in said if message.endswith("for 2 at once")])


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
        pytest.importorskip(name, reason=f"an engine needs it; pip install {name}")
    assert difference(build_engine("onnxruntime", network, CPU), network) < TOLERANCE["fp32"]


@needs_gpu
@pytest.mark.parametrize("name", ["cuda_graphs", "tensorrt", "compile"])
def test_gpu_engines_agree(network: Network, name: str) -> None:
    if name == "tensorrt":
        pytest.importorskip("tensorrt", reason="TensorRT is there on NVIDIA's machines only")
    device = torch.device("cuda")
    on_gpu = copy.deepcopy(network).to(device)
    engine = build_engine(name, on_gpu, device)
    for precision, limit in (("fp32", 1e-2), ("fp16", 0.05)):
        assert difference(engine, on_gpu, precision, device) < limit


def test_eager_is_the_network_itself(network: Network) -> None:
    engine = build_engine("eager", network, CPU)
    assert difference(engine, network) == 0
    assert 0 < difference(engine, network, "bf16") < 0.05


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
