# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every way of weighting the tasks' losses has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import MilaError
from .reduction import at_least_single


class Weighting(nn.Module):
    """The total of the tasks' losses.

    Whatever the weights depend on is in ``state_dict``, so that a resumed training goes on as an
    uninterrupted one; what is learned is in ``parameters``, for the trainer's optimizer.

    Args:
        tasks: Names of the tasks.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        if not tasks or len(set(tasks)) != len(tasks):
            raise ValueError("give at least one task, and each task once")
        self.tasks = tuple(tasks)

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The total, a scalar of at least 32 bits.

        Args:
            losses: Non-negative scalars by task. A task of which a batch has no label is left
                out, or has the loss zero.

        Raises:
            ValueError: For no loss, or one of an unknown task.
        """
        if not losses or set(losses) - set(self.tasks):
            raise ValueError(f"losses of {', '.join(self.tasks)} wanted, not of {list(losses)}")
        present = [task for task in self.tasks if task in losses]
        stacked = torch.stack([at_least_single(losses[task]) for task in present])
        return self.total(stacked, present)

    def total(self, losses: Tensor, tasks: Sequence[str]) -> Tensor:
        """The total of losses [n] of n of the tasks, which are in their usual order."""
        raise NotImplementedError

    def end_of_epoch(self, mean_losses: Mapping[str, float]) -> None:
        """Learn the mean loss of every task over the epoch that ended.

        With several processes, the mean over all of them, so that their weights stay alike.
        """

    def _of(self, values: Tensor, tasks: Sequence[str]) -> Tensor:
        """Those of the values, one per task, that belong to the given tasks."""
        if len(tasks) == len(self.tasks):
            return values
        return torch.stack([values[self.tasks.index(task)] for task in tasks])


def check_tasks(
    what: str, given: Sequence[str] | Mapping[str, float], known: Sequence[str]
) -> None:
    """Refuse what is given for tasks that are not trained.

    Raises:
        MilaError: With what was given, and the tasks.
    """
    if unknown := set(given) - set(known):
        raise MilaError(
            f"{what} names {sorted(unknown)[0]!r}, which is not trained; "
            f"the tasks are {', '.join(known)}"
        )
