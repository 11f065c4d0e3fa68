# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clips to train on, and the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from training_bench import write_clip

from mila_ros.cli import main


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks of a few channels spend more time waking threads than computing in them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two fully labelled clips; not to be changed."""
    root = tmp_path_factory.mktemp("clips")
    for n in range(2):
        write_clip(root / f"clip{n}", seed=n)
    return root


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled clip to validate with; not to be changed."""
    return write_clip(tmp_path_factory.mktemp("held_out") / "clip", frames=4, seed=9)


@pytest.fixture
def run_train(tmp_path: Path) -> Callable[..., int]:
    """``mila train`` in this process: a configuration, clips, more options; its exit status."""

    def run(wanted: dict[str, Any], clips: Path, out: Path, *options: str) -> int:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(wanted, sort_keys=False))
        return main(["train", "--config", str(path), "--clips", str(clips), "--out", str(out),
                     "--device", "cpu", "--workers", "1", *options])  # fmt: skip

    return run
