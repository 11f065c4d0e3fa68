# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare the next few items in a thread while the present one is used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")


class ReadAhead(Generic[Prepared]):
    """An iterator over ``prepare(item)`` of all items, a bounded number of them ahead.

    An exception of the items or of ``prepare`` is raised to the consumer after the items
    before it.

    Args:
        items: Iterated in the thread.
        prepare: Called in the thread.
        depth: Most items held ready.
        newest_only: Rather than wait for a slow consumer, forget the oldest item held ready.
    """

    def __init__(
        self,
        items: Iterable[Item],
        prepare: Callable[[Item], Prepared],
        *,
        depth: int = 4,
        newest_only: bool = False,
    ) -> None:
        self._items, self._prepare = items, prepare
        self._depth, self._newest_only = depth, newest_only
        self._ready: deque[Prepared] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Prepared]:
        return self

    def __next__(self) -> Prepared:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended or self._closed)
            if self._ready and not self._closed:
                self._changed.notify_all()
                return self._ready.popleft()
            if self._error is not None:
                raise self._error
            raise StopIteration

    def close(self, timeout_s: float | None = None) -> None:
        """Stop the thread, wait for it that long, and end the iteration wherever it is."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                prepared = self._prepare(item)
                with self._changed:
                    if self._newest_only and len(self._ready) == self._depth:
                        self._ready.popleft()
                    self._changed.wait_for(lambda: len(self._ready) < self._depth or self._closed)
                    if self._closed:
                        break
                    self._ready.append(prepared)
                    self._changed.notify_all()
        except BaseException as caught:  # nothing is swallowed: the consumer raises it
            error = caught
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()
