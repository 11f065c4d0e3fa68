# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of device and threads."""

from __future__ import annotations

import cv2
import pytest
import torch

from mila_ros.errors import MilaError
from mila_ros.streaming import devices
from mila_ros.streaming.devices import resolve_device, set_threads


@pytest.fixture
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return int(request.param)


@pytest.mark.parametrize(
    ("gpus", "name", "device"),
    [
        (0, "auto", "cpu"),
        (0, "cpu", "cpu"),
        (2, "auto", "cuda"),
        (2, "cpu", "cpu"),
        (2, "cuda", "cuda"),
        (2, "cuda:1", "cuda:1"),
    ],
    indirect=["gpus"],
)
def test_devices(gpus: int, name: str, device: str) -> None:
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("gpus", "name", "message"),
    [
        (0, "cuda", "the device cuda is not there: .*; choose cpu, or install"),
        (0, "cuda:0", "the device cuda:0 is not there"),
        (2, "cuda:2", "the device cuda:2 is not there: choose one of cuda:0 to cuda:1"),
        (2, "gpu", "unknown device 'gpu'; choose auto, cpu, cuda or cuda:N"),
        (2, "cuda:-1", "unknown device 'cuda:-1'"),
        (2, "cuda\n", "unknown device"),
        (0, "", "unknown device ''"),
    ],
    indirect=["gpus"],
)
def test_no_device_is_replaced_by_another(gpus: int, name: str, message: str) -> None:
    with pytest.raises(MilaError, match=message):
        resolve_device(name)


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_own_choice", [])
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        set_threads(0)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == before
        set_threads(1)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        set_threads(0)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == before
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_a_negative_number_of_threads() -> None:
    with pytest.raises(MilaError, match="number of threads must be 0"):
        set_threads(-1)
