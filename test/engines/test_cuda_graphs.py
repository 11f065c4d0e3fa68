# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded graphs, with a stand-in for CUDA: what is recorded where, with what, and kept alive."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from engine_bench import CPU, difference, images
from fake_cuda import FakeCuda

from mila_ros.engines import cuda_graphs
from mila_ros.engines.base import example
from mila_ros.engines.cuda_graphs import CudaGraphsEngine
from mila_ros.engines.export import TOLERANCE
from mila_ros.engines.flat import FlatFunction
from mila_ros.engines.parts import DECODE, ENCODE, Part, Streamed
from mila_ros.errors import EngineError
from mila_ros.networks import MILA, Network, build_network
from mila_ros.networks.local_attention import tiles
from mila_ros.tasks import DEPTH, MOTION

SECOND = torch.device("cuda", 1)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    def on_cpu(function: FlatFunction, device: torch.device, seed: int = 0) -> Any:
        return example(function, CPU, seed)

    monkeypatch.setattr(cuda_graphs, "example", on_cpu)
    return FakeCuda(monkeypatch)


@pytest.fixture(scope="module")
def looking() -> Network:
    """A network whose motion mask looks at correspondence."""
    torch.manual_seed(0)
    return build_network(
        "mila", (DEPTH, MOTION), slow="resnet18", slow_width=4, fast_width=4, channels=16,
        decoder_channels=(12, 8), attention_channels=4, correspondence_channels=8,
    ).eval()  # fmt: skip


def decoding(network: Network) -> tuple[FlatFunction, Any]:
    """A decoder between keyframes, and its arguments."""
    image = images()[0]
    encoded = Part(ENCODE, False)(network, image)
    _, state = network(image, keyframe=True)
    arguments = encoded, image, Streamed(state.key, state.last)
    return FlatFunction(network, Part(DECODE, False, ("motion",)), *arguments), arguments


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_recorded_graphs_agree_with_eager_in_every_precision(
    cuda: FakeCuda, looking: Network, precision: str
) -> None:
    """Weights are of that format themselves here, without autocast, correspondence or not."""
    engine = CudaGraphsEngine(looking, SECOND)
    assert difference(engine, looking, precision) < TOLERANCE[precision]
    assert len(cuda.captures) == 2 + 2 * 4


@torch.inference_mode()
def test_a_recording_is_made_on_the_engines_own_gpu(cuda: FakeCuda, looking: Network) -> None:
    engine = CudaGraphsEngine(looking, SECOND)
    engine.compile(FlatFunction(looking, Part(ENCODE, False), images()[0]), "fp32")
    ((stream, device),) = cuda.captures
    assert stream is not cuda.main and (stream.device, device) == (SECOND, SECOND)
    assert cuda.stream is cuda.main and cuda.device == torch.device("cuda", 0)


@torch.inference_mode()
def test_a_graph_that_repeats_its_recording_is_refused(cuda: FakeCuda, looking: Network) -> None:
    cuda.freezes = True
    engine = CudaGraphsEngine(looking, SECOND)
    with pytest.raises(EngineError, match="cuda_graphs computes encode of the frames between wro"):
        engine.compile(FlatFunction(looking, Part(ENCODE, False), images()[0]), "fp32")


@torch.inference_mode()
def test_a_recording_that_fails_leaves_the_thread_on_its_stream(
    cuda: FakeCuda, looking: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = MILA.encode

    def failing(*arguments: Any) -> Any:
        if cuda.captures:
            raise RuntimeError("not while capturing")
        return encode(*arguments)

    monkeypatch.setattr(MILA, "encode", failing)
    engine = CudaGraphsEngine(looking, SECOND)
    with pytest.raises(EngineError, match="cannot run this network .* the capture failed"):
        engine(images()[0], None, keyframe=False, tasks=None, precision="fp32")
    assert cuda.stream is cuda.main and cuda.device == torch.device("cuda", 0)


@torch.inference_mode()
def test_what_a_recording_reads_lives_as_long_as_it_does(
    cuda: FakeCuda, looking: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local attention keeps the index tensors of 32 sizes; those of others are gone."""
    made = []
    make = tiles._make_tiling

    def making(*arguments: Any) -> Any:
        made.append(make(*arguments))
        return made[-1]

    monkeypatch.setattr(tiles, "_make_tiling", making)
    tiles._tiling.cache_clear()
    function, arguments = decoding(looking)
    made.clear()  # those without values, of the meta device
    tiles._tiling.cache_clear()
    engine = CudaGraphsEngine(looking, SECOND)
    graph = engine.compile(function, "bf16")
    assert len(made) >= 2  # of the features, and of patches
    kept = [weakref.ref(t) for tiling in made for t in tiling if isinstance(t, torch.Tensor)]

    inputs = function.pick(arguments)
    expected = graph(inputs)
    # Nothing is held that is computed: that is memory of the graph's own.
    known = {*map(id, graph._inputs), *(id(reference()) for reference in kept)}
    known |= {id(tensor) for tensor in engine._networks["bf16"].state_dict(keep_vars=True).values()}
    assert graph._borrowed.keys() <= known
    engine.keep_only("fp32")
    tiles._tiling.cache_clear()
    made.clear()
    graph._graph.operations.clear()  # which CUDA's has not: it knows addresses alone
    gc.collect()
    assert None not in [reference() for reference in kept]
    assert all(torch.isfinite(tensor).all() for tensor in expected)
    del graph
    gc.collect()
    assert {reference() for reference in kept} == {None}
