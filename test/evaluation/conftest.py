# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small model and two clips, made once for each file."""

from __future__ import annotations

import pytest
from evaluation_bench import make_clip
from helpers import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "a", frames=5, seed=1)
    make_clip(folder / "b", frames=4, seed=2)
    return folder
