# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One slot per camera between the ROS callbacks and the worker: the newest frame wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """A one-slot mailbox for each of several cameras, safe to use from several threads.

    A slow reader always gets the newest frame of a camera and never an old one, and no camera
    waits for another that sends more often: they are read in turn.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # A camera keeps its place in this order from the moment its slot is filled.
        self._slots: dict[str, Item] = {}
        self._woken = False

    def put(self, camera: str, item: Item) -> bool:
        """Fill the camera's slot; return whether an unread item was replaced, to be counted."""
        with self._changed:
            is_replaced = camera in self._slots
            self._slots[camera] = item
            self._changed.notify()
        return is_replaced

    def take(self, timeout_s: float | None = None) -> tuple[str, Item] | None:
        """Wait for an item and empty its slot; None after `wake` or the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._slots or self._woken, timeout_s)
            is_woken, self._woken = self._woken, False
            if is_woken or not self._slots:
                return None
            camera = next(iter(self._slots))
            return camera, self._slots.pop(camera)

    def wake(self) -> None:
        """Make the current or else the next `take` return None."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def clear(self) -> None:
        """Empty all slots."""
        with self._changed:
            self._slots.clear()
