# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every network of this folder is to its callers: a step from frame and state to logits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..tasks import TASKS, Task
from .propagation import Source
from .resizing import resize_bilinear


@dataclass(frozen=True)
class State:
    """What one video stream carries from frame to frame; constant in size.

    Attributes:
        key: Per branch, the last keyframe.
        last: Per branch, the last non-keyframe (with ``slow_only``: the last frame).

    A branch that was not computed for the latest frame is in neither.
    """

    key: Mapping[str, Source] = field(default_factory=dict)
    last: Mapping[str, Source] = field(default_factory=dict)


class Network(nn.Module):
    """A dense multi-task network over the frames of a video.

    Args:
        tasks: What to predict.

    Attributes:
        tasks: The same.
        slow_only: Whether every frame is a keyframe: there is no lighter way to compute one.

    Raises:
        ValueError: For no task, or one given twice.
    """

    slow_only: bool = True

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        if not self.tasks or len({task.name for task in self.tasks}) != len(self.tasks):
            raise ValueError("give at least one task, and each task once")

    def forward(
        self,
        image: Tensor,
        state: State | None = None,
        *,
        keyframe: bool = True,
        tasks: Collection[str] | None = None,
    ) -> tuple[dict[str, Tensor], State]:
        """One frame of a video.

        Args:
            image: Normalised RGB, [B, 3, H, W], any size.
            state: What the frame before returned; None at the start of a stream.
            keyframe: Compute the frame the deep way, where the network has two.
            tasks: Names of the tasks to compute; None for all.

        Returns:
            Logits per task at the size of ``image`` (bilinear), and the state for the next frame.

        Raises:
            ValueError: For an unknown task, or a state made at another batch or image size.
        """
        raise NotImplementedError

    def wanted(self, tasks: Collection[str] | None) -> Collection[str]:
        """The names to compute.

        Raises:
            ValueError: For a task that the network does not have.
        """
        known = [task.name for task in self.tasks]
        if tasks is None:
            return known
        if unknown := set(tasks) - set(known):
            raise ValueError(
                f"this network has no task {', '.join(sorted(unknown))}; it has {', '.join(known)}"
            )
        return tasks


class SingleFrameNetwork(Network):
    """A network that sees one frame at a time: it keeps no state, and has no keyframes."""

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        """Logits [B, task.channels, h, w] of the named tasks, at a size of the network's own."""
        raise NotImplementedError

    def forward(
        self,
        image: Tensor,
        state: State | None = None,
        *,
        keyframe: bool = True,
        tasks: Collection[str] | None = None,
    ) -> tuple[dict[str, Tensor], State]:
        return at_size(self.predict(image, self.wanted(tasks)), image), State()


def at_size(logits: Mapping[str, Tensor], image: Tensor) -> dict[str, Tensor]:
    """Logits resized bilinearly to the height and width of ``image``."""
    height, width = image.shape[2:]
    return {name: resize_bilinear(low, (height, width)) for name, low in logits.items()}


def check_source(source: Source, current: Tensor) -> None:
    """Refuse features of an earlier frame that are not of the shape of this frame's.

    Raises:
        ValueError: When they differ.
    """
    if source.value.shape != current.shape:
        raise ValueError(
            f"the state's features {tuple(source.value.shape)} are of another size than "
            f"this frame's {tuple(current.shape)}; start afresh with state=None"
        )


def named_tasks(tasks: Sequence[Task | str]) -> tuple[Task, ...]:
    """Tasks from themselves or from the names of the common ones.

    Raises:
        ValueError: For a name that is none of :data:`mila_ros.tasks.TASKS`.
    """
    if unknown := [task for task in tasks if isinstance(task, str) and task not in TASKS]:
        raise ValueError(f"unknown task {unknown[0]!r}; choose one of {', '.join(TASKS)}")
    return tuple(TASKS[task] if isinstance(task, str) else task for task in tasks)
