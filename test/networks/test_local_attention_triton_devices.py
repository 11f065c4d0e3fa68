# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which GPUs the Triton kernels are for, and where they are launched; without triton or a GPU."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_cuda import FakeCuda

from mila_ros.networks.local_attention import triton_op


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Compute capabilities of the GPUs that are there."""
    capabilities: list[tuple[int, int]] = []
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "triton" or find(name))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda n: capabilities[n])
    for name, value in {"_definitions": None, "_reason": None, "_capable": frozenset()}.items():
        monkeypatch.setattr(triton_op, name, value)
    monkeypatch.setattr(triton_op, "_define", lambda: "operators")
    return capabilities


def map_on(gpu: int, dtype: torch.dtype = torch.float32) -> Any:
    return SimpleNamespace(device=torch.device("cuda", gpu), dtype=dtype)


def covers(*gpus: int) -> bool:
    return triton_op.covers(*(map_on(gpu) for gpu in gpus))


def test_an_older_gpu_beside_a_newer_one_is_left_out(gpus: list[tuple[int, int]]) -> None:
    gpus += [(7, 5), (8, 9)]
    assert covers(1, 1, 1) and not covers(0, 0, 0) and not covers(1, 1, 0)
    assert triton_op.load() is None


def test_older_gpus_alone_are_a_reason(gpus: list[tuple[int, int]]) -> None:
    gpus += [(6, 1), (7, 5)]
    assert not covers(0, 0, 0)
    reason = triton_op.load()
    assert reason is not None
    assert reason.endswith("a GPU of compute capability 8.0, and the best here has 7.5")


def test_what_is_settled_is_read_without_the_lock(gpus: list[tuple[int, int]]) -> None:
    """Dynamo sees `load` in every graph, and cannot take a lock."""
    gpus.append((9, 0))
    assert triton_op.load() is None
    with triton_op._lock:
        assert triton_op.load() is None and covers(0, 0, 0)


def test_kernels_are_launched_on_the_gpu_of_their_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    monkeypatch.setattr(torch.cuda, "device_of", lambda maps: torch.cuda.device(maps.device))
    kernel = triton_op._on_its_device(lambda *arguments: (cuda.device, arguments[1:]))
    assert kernel(map_on(1), 2, 3) == (torch.device("cuda", 1), (2, 3))
    assert cuda.device == torch.device("cuda", 0)


def test_the_interpreter_sets_no_gpu() -> None:
    assert triton_op._on_its_device(lambda *maps: maps)(torch.zeros(1), 5) == (torch.zeros(1), 5)
