# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say each thing once in a while: rclpy's own throttle goes by line of code, not by cause."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable


class Throttle:
    """Lets one line per key and period through and counts the others."""

    def __init__(self, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[Hashable, float] = {}
        self._held: Counter[Hashable] = Counter()

    def passes(self, key: Hashable) -> int | None:
        """Return how many lines were held back before this one, None to hold this one back."""
        now = self._clock()
        with self._lock:
            if key in self._last and now - self._last[key] < self._period_s:
                self._held[key] += 1
                return None
            self._last[key] = now
            return self._held.pop(key, 0)
