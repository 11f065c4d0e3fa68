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
    waits for another that sends more often: they are read in turn, one or several at once.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._slots: dict[str, Item] = {}
        self._read: dict[str, int] = {}  # by camera: how many items had been read when its last was
        self._count = 0
        self._woken = False

    def put(self, camera: str, item: Item) -> bool:
        """Fill the camera's slot; return whether an unread item was replaced, to be counted."""
        with self._changed:
            is_replaced = camera in self._slots
            self._slots[camera] = item
            self._changed.notify()
        return is_replaced

    def take(self, limit: int = 1, timeout_s: float | None = None) -> dict[str, Item]:
        """Wait for an item and empty its slot; none after `wake` or the timeout.

        With a limit over 1 the items that wait in other slots come with it. First in line is
        whoever was read the longest ago or never.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._slots or self._woken, timeout_s)
            is_woken, self._woken = self._woken, False
            if is_woken:
                return {}
            cameras = sorted(self._slots, key=lambda camera: self._read.get(camera, 0))[:limit]
            for camera in cameras:
                self._count += 1
                self._read[camera] = self._count
            return {camera: self._slots.pop(camera) for camera in cameras}

    def wake(self) -> None:
        """Make the current or else the next `take` return None."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def clear(self) -> None:
        """Empty all slots."""
        with self._changed:
            self._slots.clear()
