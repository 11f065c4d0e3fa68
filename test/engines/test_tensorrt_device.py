# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT works on the GPU that is set; with stand-ins for both, which one that is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_cuda import FakeCuda

from mila_ros.engines import tensorrt_engine
from mila_ros.engines.tensorrt_engine import TensorRtEngine, _Plan
from mila_ros.networks import Network

SECOND = torch.device("cuda", 1)


def test_every_call_is_made_with_the_engines_own_gpu_set(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = FakeCuda(monkeypatch)
    seen: dict[str, torch.device] = {}

    def note(name: str) -> None:
        seen[name] = cuda.device

    class Logger:
        WARNING = 0

        def __init__(self, level: int) -> None: ...

    trt = SimpleNamespace(
        Logger=Logger, Runtime=lambda logger: note("runtime"), BuilderFlag=SimpleNamespace()
    )
    monkeypatch.setattr(tensorrt_engine, "require", lambda *_: None)
    monkeypatch.setattr(tensorrt_engine.importlib, "import_module", lambda _: trt)
    engine = TensorRtEngine(network, SECOND)
    monkeypatch.setattr(engine, "_write", lambda *_: note("write"))
    monkeypatch.setattr(engine, "_read", lambda *_: note("read"))
    monkeypatch.setattr(tensorrt_engine, "artefact_key", lambda *_: "key")

    def obtain(key: str, write: Any, read: Any) -> Any:
        write(None)
        return read(None)

    monkeypatch.setattr(tensorrt_engine, "obtain", obtain)
    function: Any = None
    engine.compile(function, "fp32")

    context = SimpleNamespace(
        set_tensor_address=lambda *_: None,
        execute_async_v3=lambda stream: note("execute") is None,
    )
    plan = SimpleNamespace(create_execution_context=lambda: context, num_io_tensors=0)
    mode = SimpleNamespace(TensorIOMode=SimpleNamespace(INPUT=0))
    _Plan(mode, plan, [], SECOND)([])
    assert seen == dict.fromkeys(("runtime", "write", "read", "execute"), SECOND)
    assert cuda.device == torch.device("cuda", 0)
