# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a training is: all but weights and optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

_SMOOTHING = 0.98


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        stage: Number of the stage.
        step: Steps done of the stage.
        best: Best score by validation in the stage.
        losses: By name, an exponential mean over steps, for the log.
        epoch: By task, the sum of its losses since the epoch began, and the number of steps that
            had labels of it; of this process, and in a checkpoint of all processes.
    """

    stage: int = 0
    step: int = 0
    best: float = -math.inf
    losses: dict[str, float] | None = None
    epoch: dict[str, list[float]] = field(default_factory=dict)

    def add(self, parts: Mapping[str, float], tasks: Mapping[str, float]) -> None:
        """Take in the losses of a step, by their names in the log and by task."""
        smooth = self.losses = self.losses or {}
        for name, value in parts.items():
            smooth[name] = _SMOOTHING * smooth.get(name, value) + (1 - _SMOOTHING) * value
        for task, value in tasks.items():
            entry = self.epoch.setdefault(task, [0.0, 0.0])
            entry[0] += value
            entry[1] += value > 0
