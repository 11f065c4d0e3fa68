# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one thread that touches the network: it takes frames from a mailbox, and orders."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from mila_ros.ros.mailbox import Mailbox

Item = TypeVar("Item")
Result = TypeVar("Result")


class Worker(Generic[Item]):
    """Runs ``process`` on the newest items by camera, and calls in between.

    A call comes after the items that have been taken: with ``mailbox.clear()`` before it, nothing
    is being processed once it has returned. A fault in ``process`` is given to
    ``on_error(camera, item, error)`` for each, and the thread lives on; both run on the worker's
    thread.

    Attributes:
        mailbox: Where items are put.
        max_items: How many are taken at once, of different cameras.
    """

    def __init__(
        self,
        process: Callable[[dict[str, Item]], None],
        on_error: Callable[[str, Item, Exception], None],
    ) -> None:
        self.mailbox: Mailbox[Item] = Mailbox()
        self.max_items = 1
        self._process = process
        self._on_error = on_error
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="perception", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Have the function run on the worker's thread, after the item that has been taken."""
        future: Future[Result] = Future()
        self._calls.append((future, function))
        self.mailbox.wake()
        return future

    def close(self, timeout_s: float) -> bool:
        """End the thread after the frame that is being processed; False if it does not in time."""
        self._is_closing = True
        self.mailbox.wake()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._is_closing:
            items = self.mailbox.take(self.max_items)
            if items and not self._is_closing:
                self._answer_frames(items)
            while self._calls and not self._is_closing:
                _answer(*self._calls.popleft())

    def _answer_frames(self, items: dict[str, Item]) -> None:
        try:
            self._process(items)
        except Exception as error:  # a frame's fault must not end the stream: it is reported
            for camera, item in items.items():
                self._on_error(camera, item, error)


def _answer(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        future.set_result(function())
    except Exception as error:  # raised again where the result is read
        future.set_exception(error)
