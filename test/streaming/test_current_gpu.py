# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames and keyframes are computed with the model's own GPU set, with a stand-in for CUDA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_cuda import FakeCuda, Stream

from mila_ros.streaming import Perception

FIRST, SECOND = torch.device("cuda", 0), torch.device("cuda", 1)


def test_frames_have_the_models_gpu_set(two_tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Perception.load(two_tasks, device="cpu")._model
    cuda = FakeCuda(monkeypatch)
    with model.among_frames():
        assert cuda.device == FIRST  # a CPU sets nothing
    monkeypatch.setattr(model, "device", SECOND)
    with model.among_frames():
        assert cuda.device == SECOND
    assert cuda.device == FIRST


def test_keyframes_beside_the_frames_have_it_too(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Perception.load(two_tasks, device="cpu")._model
    cuda = FakeCuda(monkeypatch)
    frames, slow = Stream(SECOND), Stream(SECOND)
    monkeypatch.setattr(model, "device", SECOND)
    monkeypatch.setattr(model, "_streams", (frames, slow))

    class Event:
        def __init__(self, blocking: bool = False) -> None: ...

        def wait(self) -> None:
            assert cuda.stream is slow

        record = synchronize = wait

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(Stream, "record_event", lambda self: Event(), raising=False)
    with model.among_frames():
        assert (cuda.stream, cuda.device) == (frames, SECOND)
        job = model.beside(lambda: {"gpu": None} if cuda.device == SECOND else {})
    assert cuda.device == FIRST
    assert job() == {"gpu": None}
    assert cuda.device == FIRST
