# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network predicts: one frozen record per task, shared by every folder of the package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS = ("softmax", "sigmoid", "exp", "identity", "unit")
FAR = 1.5
"""Times the largest depth that a model reports: what the sky is taught as, in canonical metres."""


@dataclass(frozen=True)
class Task:
    """A dense prediction task.

    Attributes:
        name: Key of the task's output everywhere: logits, losses, metrics, topics.
        channels: Channels of the logits; for segmentation the number of classes.
        activation: How logits become predictions. ``softmax``: probabilities over channels;
            ``sigmoid``: a probability in each channel; ``exp``: positive numbers (depth is learned
            as its logarithm); ``identity``: as they are; ``unit``: vectors of length one along the
            channels.

    Raises:
        ValueError: For an empty name, no channels, or an unknown activation.
    """

    name: str
    channels: int
    activation: str

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a task's name must be an identifier, not {self.name!r}")
        if self.channels < 1:
            raise ValueError(f"task {self.name} needs at least one channel, not {self.channels}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"task {self.name}: activation {self.activation!r} is none of {ACTIVATIONS}"
            )

    def with_channels(self, channels: int) -> Task:
        """The same task with another number of channels, such as another list of classes."""
        return replace(self, channels=channels)

    def activate(self, logits: Tensor) -> Tensor:
        """Predictions [B, channels, H, W] from logits of the same shape."""
        if self.activation == "softmax":
            return logits.softmax(dim=1)
        if self.activation == "sigmoid":
            return logits.sigmoid()
        if self.activation == "exp":
            return logits.exp()
        if self.activation == "unit":
            return logits / logits.norm(dim=1, keepdim=True).clamp_min(1e-6)
        return logits


SEGMENTATION = Task("segmentation", channels=19, activation="softmax")
DEPTH = Task("depth", channels=1, activation="exp")
MOTION = Task("motion", channels=2, activation="softmax")  # 0 static, 1 moving (MultiNet++)
NORMALS = Task("normals", channels=3, activation="unit")
EDGES = Task("edges", channels=1, activation="sigmoid")
SALIENCY = Task("saliency", channels=1, activation="sigmoid")
HUMAN_PARTS = Task("human_parts", channels=7, activation="softmax")  # background and six parts

TASKS: dict[str, Task] = {
    task.name: task for task in (SEGMENTATION, DEPTH, MOTION, NORMALS, EDGES, SALIENCY, HUMAN_PARTS)
}
