# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far something long has come: a bar for a person, a line a minute for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

Item = TypeVar("Item")

LINE_EVERY_S = 60.0


class Progress(Protocol):
    """Of a known or unknown number of items."""

    def update(self, count: float = 1) -> object:
        """So many more are done."""


def progress(unit: str, total: int | None = None) -> AbstractContextManager[Progress]:
    """What shows how many items are done, on standard error.

    Args:
        unit: What one of them is called.
        total: How many there will be, if that is known.
    """
    if not sys.stderr.isatty():
        return nullcontext(_Lines(unit, total))
    from tqdm import tqdm

    return tqdm(total=total, unit=unit)


def shown(items: Iterable[Item], unit: str, total: int | None = None) -> Iterator[Item]:
    """The items as they come, while :func:`progress` shows how many they are."""
    with progress(unit, total) as shows:
        for item in items:
            yield item
            shows.update(1)


class _Lines:
    """Where a bar would be litter."""

    def __init__(self, unit: str, total: int | None) -> None:
        self._unit, self._total = unit, total
        self._done = 0.0
        self._start = self._last = time.monotonic()

    def update(self, count: float = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last < LINE_EVERY_S or self._done in (0, self._total):
            return
        self._last = now
        minutes = (now - self._start) / 60
        line = f"{self._done:.0f}"
        if self._total is not None:
            left = minutes * (self._total - self._done) / self._done
            line += f" of {self._total}"
        line += f" {self._unit}s, {minutes:.0f} min"
        if self._total is not None:
            line += f", about {max(left, 1):.0f} min to go"
        print(line, file=sys.stderr, flush=True)
