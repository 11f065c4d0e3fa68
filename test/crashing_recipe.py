# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that crashes while it renders; in a module that its spawned processes can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from mila_ros.simulation.dataset import clip_path
from mila_ros.simulation.recipe import Recipe
from mila_ros.simulation.simulator import Simulator


@dataclass(frozen=True)
class Crashing(Recipe):
    """A recipe that crashes its process once: at its second clip, when the first is complete."""

    folder: str = ""

    def simulator(self, seed: int) -> Simulator:
        crashed = Path(self.folder, "crashed")
        if seed == 6 and not crashed.exists():
            end = time.monotonic() + 60
            while not clip_path(Path(self.folder), 5).exists() and time.monotonic() < end:
                time.sleep(0.01)
            crashed.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().simulator(seed)
