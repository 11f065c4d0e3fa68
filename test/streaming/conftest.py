# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of streaming: bundles, and one thread."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import make_tiny_bundle

from mila_ros.streaming import Perception


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """For networks this small: several only wait for each other, for ever on a busy CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to read, not to change."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def damaged(original: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "tiny"))


@pytest.fixture
def perception(original: Path) -> Perception:
    return Perception.load(original, device="cpu")


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of depth and motion alone: what concurrent keyframes are shown with."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "two", ["depth", "motion"])
