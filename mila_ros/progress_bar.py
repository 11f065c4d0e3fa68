# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A progress bar for what takes long, when someone is looking."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def shown(items: Iterable[Item], unit: str, total: int | None = None) -> Iterable[Item]:
    """The items as they come, behind a bar on a terminal's standard error.

    Args:
        items: To be passed on.
        unit: What one of them is called.
        total: How many there will be, if that is known.
    """
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, total=total, unit=unit)
