# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of a module share and nobody else: one thread, a model, a cache of artefacts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import make_tiny_bundle

from mila_ros.networks import Network
from mila_ros.streaming import load_bundle


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "mila_ros" / "engines"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", ("depth", "motion"))


@pytest.fixture(scope="module")
def network(bundle: Path) -> Network:
    return load_bundle(bundle)[1]
