# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread for the tests of networks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks of a few channels spend more time waking threads than computing in them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
