# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the losses of several tasks become the one number that is minimised.

MILA sums them (supplement, section A.1, which finds little difference to the learned ways);
MultiNet++ takes their geometric mean.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import MilaError
from .weighting_base import Weighting, check_tasks

DWA_FLOOR = 1e-8  # of an epoch's mean loss, where the next is divided by it


class Equal(Weighting):
    """Σ w_t L_t with fixed weights.

    Args:
        tasks: Names of the tasks.
        weights: By task; 1 where not given, as in MILA.

    Raises:
        MilaError: For the weight of an unknown task, or a negative or infinite one.
    """

    weights: Tensor

    def __init__(self, tasks: Sequence[str], weights: Mapping[str, float] | None = None) -> None:
        super().__init__(tasks)
        given = dict(weights or {})
        check_tasks("weights", given, tasks)
        if wrong := [task for task, w in given.items() if not 0 <= w < math.inf]:
            raise MilaError(
                f"the weight of {wrong[0]}, {given[wrong[0]]}, must be a number of 0 or more"
            )
        self.register_buffer("weights", torch.tensor([float(given.get(t, 1)) for t in tasks]))

    def total(self, losses: Tensor, tasks: Sequence[str]) -> Tensor:
        return (self._of(self.weights, tasks) * losses).sum()


class Uncertainty(Weighting):
    """Σ ½ exp(−s_t) L_t + ½ s_t with learned s_t = log σ_t² (Kendall et al., CVPR 2018).

    One form for regression and classification, and s_t = −0.5 at the start, as MTAN has it. The
    best s_t is log L_t; there the gradient is that of ½ Σ log L_t, whatever the losses' scales.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.log_variances = nn.Parameter(torch.full((len(tasks),), -0.5))

    def total(self, losses: Tensor, tasks: Sequence[str]) -> Tensor:
        s = self._of(self.log_variances, tasks)
        # Without a label there is nothing to be certain of: s must not sink.
        return (0.5 * ((-s).exp() * losses + s) * (losses > 0)).sum()


class DynamicWeightAverage(Weighting):
    """Σ λ_t L_t; a task whose loss sinks slower gets more (Liu et al., MTAN, CVPR 2019).

    λ_t = K softmax_t(r_t / T) with r_t the ratio of the mean losses of the last epoch and the one
    before (equation 7); λ_t = 1 in the first two epochs. r_t = 1 for a task that had no label in
    the last epoch, or none in any before it.

    Args:
        tasks: Names of the K tasks.
        temperature: T; larger makes the weights more alike.

    Raises:
        MilaError: For a temperature that is not above 0.
    """

    weights: Tensor
    previous: Tensor
    epochs: Tensor

    def __init__(self, tasks: Sequence[str], temperature: float = 2.0) -> None:
        super().__init__(tasks)
        if not temperature > 0:
            raise MilaError(f"dwa's temperature must be above 0, not {temperature}")
        self.temperature = temperature
        self.register_buffer("weights", torch.ones(len(tasks)))
        self.register_buffer("previous", torch.zeros(len(tasks)))
        self.register_buffer("epochs", torch.tensor(0))

    def total(self, losses: Tensor, tasks: Sequence[str]) -> Tensor:
        return (self._of(self.weights, tasks) * losses).sum()

    def end_of_epoch(self, mean_losses: Mapping[str, float]) -> None:
        """As :meth:`Weighting.end_of_epoch`.

        Raises:
            ValueError: When a task's mean is missing.
        """
        if missing := set(self.tasks) - set(mean_losses):
            raise ValueError(f"dwa needs the mean loss of {', '.join(sorted(missing))} too")
        means = self.previous.new_tensor([mean_losses[task] for task in self.tasks])
        # A mean of 0 is that of a task without labels, of which an epoch says nothing.
        labelled = means > 0
        if self.epochs > 0:
            is_known = labelled & (self.previous > 0)
            ratios = torch.where(is_known, means / self.previous.clamp_min(DWA_FLOOR), 1.0)
            self.weights.copy_(len(self.tasks) * (ratios / self.temperature).softmax(0))
        self.previous.copy_(torch.where(labelled, means, self.previous))
        self.epochs += 1


class Geometric(Weighting):
    """(Π_t L_t)^(1/n), times (Π_j L_j)^(1/m) over m focused tasks (MultiNet++, section 3.2).

    ∂total/∂L_t = total/(n L_t): the scale of a loss does not matter. Computed as exp(mean log L),
    since a product of small numbers underflows.

    Args:
        tasks: Names of the tasks.
        focused: Tasks that matter more (equation 3); none is equation 1.
        floor: Losses below it are taken as this large, with no gradient. A loss of exactly zero,
            which is that of a batch without labels for the task, is left out of the mean.

    Raises:
        MilaError: For an unknown focused task, one given twice, or a floor that is not above 0.
    """

    def __init__(
        self, tasks: Sequence[str], focused: Sequence[str] = (), floor: float = 1e-7
    ) -> None:
        super().__init__(tasks)
        check_tasks("focused", focused, tasks)
        if len(set(focused)) != len(focused):
            raise MilaError("focused names a task twice; name each once")
        if not floor > 0:
            raise MilaError(f"gls's floor must be above 0, not {floor}")
        self.focused = tuple(focused)
        self.floor = floor

    def total(self, losses: Tensor, tasks: Sequence[str]) -> Tensor:
        everything = self._geometric_mean(losses)
        focused = [index for index, task in enumerate(tasks) if task in self.focused]
        total = everything * self._geometric_mean(losses[focused]) if focused else everything
        return total * (losses > 0).any()

    def _geometric_mean(self, losses: Tensor) -> Tensor:
        """Over the losses above zero; 1 if there is none."""
        labelled = losses > 0
        logs = losses.clamp_min(self.floor).log() * labelled
        return (logs.sum() / labelled.sum().clamp_min(1)).exp()


WEIGHTINGS: dict[str, type[Weighting]] = {
    "equal": Equal,
    "uncertainty": Uncertainty,
    "dwa": DynamicWeightAverage,
    "gls": Geometric,
}


def build_weighting(name: str, tasks: Sequence[str], **arguments: object) -> Weighting:
    """A weighting by its name in a config.

    Args:
        name: ``equal``, ``uncertainty``, ``dwa`` or ``gls``.
        tasks: Names of the tasks.
        arguments: Of :class:`Equal`, :class:`Uncertainty`, :class:`DynamicWeightAverage` or
            :class:`Geometric`.

    Raises:
        MilaError: For an unknown name or argument, or a value that makes no sense.
    """
    if name not in WEIGHTINGS:
        raise MilaError(f"unknown weighting {name!r}; choose one of {', '.join(WEIGHTINGS)}")
    kind = WEIGHTINGS[name]
    accepted = [key for key in inspect.signature(kind).parameters if key != "tasks"]
    if unknown := set(arguments) - set(accepted):
        raise MilaError(
            f"weighting {name} has no argument {sorted(unknown)[0]!r}; "
            f"it takes {', '.join(accepted) or 'none'}"
        )
    try:
        return kind(tasks, **arguments)
    except (TypeError, ValueError) as error:
        raise MilaError(f"weighting {name}: a value is of the wrong kind: {error}") from error
