# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread for networks this small: several only wait for each other, for ever on a busy CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
