# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each of several processes needs, as ``torchrun`` tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_bench import small

from mila_ros.errors import MilaError
from mila_ros.training import command
from mila_ros.training.distributed import Processes
from mila_ros.training.validation import Validation

Run = Callable[..., int]


@pytest.fixture
def trainer_of(
    monkeypatch: pytest.MonkeyPatch, run_train: Run, two_clips: Path, tmp_path: Path
) -> Callable[..., list[Any]]:
    """What the command of one of four processes on two machines gives its trainer."""
    given: list[Any] = []

    class Noted:
        def __init__(self, *arguments: Any) -> None:
            given.extend(arguments)

        def run(self, until: Any) -> bool:
            return False

    def of(rank: int, validation: Path) -> list[Any]:
        monkeypatch.setenv("WORLD_SIZE", "4")
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(rank % 2))
        monkeypatch.setattr(Processes, "join", lambda device: Processes(rank, 4))
        monkeypatch.setattr(Processes, "leave", lambda self: None)
        monkeypatch.setattr(command, "Trainer", Noted)
        options = ("--validation", str(validation))
        assert run_train(small(), two_clips, tmp_path / "out", *options) == 0
        return given

    return of


def test_the_first_process_validates_and_writes(
    trainer_of: Callable[..., list[Any]], held_out: Path, tmp_path: Path
) -> None:
    validation = trainer_of(0, held_out)[5]
    assert isinstance(validation, Validation) and len(validation.clips) == 1
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("rank", [1, 2])
def test_the_others_need_the_clips_alone(
    trainer_of: Callable[..., list[Any]], tmp_path: Path, rank: int
) -> None:
    """The first of another machine is not the first of all."""
    assert trainer_of(rank, tmp_path / "on_another_disk")[5] is None
    assert not (tmp_path / "out").exists()


def test_more_processes_than_gpus_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert Processes.local_device(gpu) == gpu
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Processes.local_device(gpu) == torch.device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert Processes.local_device(cpu) == cpu
    with pytest.raises(MilaError, match=r"process 3 of .* no GPU, .* are 2; give --nproc-per-node"):
        Processes.local_device(gpu)
