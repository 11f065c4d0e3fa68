# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of one stage: losses, gradients, optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import MilaError
from ..networks import Network
from .config import TrainingConfig
from .distributed import Processes
from .objectives import Objective
from .optimizers import build_optimizer, learning_rate
from .progress import Progress
from .samples import Batch


class Steps:
    """Makes the steps of a stage.

    Args:
        objective: What is minimised, on its device.
        config: The training.
        processes: This process among several.
        saved: Checkpoint of this stage to go on from.

    Attributes:
        objective: The same.
        optimizer: Of all its parameters.
    """

    def __init__(
        self,
        objective: Objective,
        config: TrainingConfig,
        processes: Processes,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        self.objective, self.processes = objective, processes
        self.seed, self.how = config.seed, config.optimizer
        self.optimizer = build_optimizer(
            objective,
            objective.weighting,
            config.optimizer,
            objective.stage.learning_rate,
            objective.rates,
        )
        if saved:
            try:
                objective.load_state_dict(saved["objective"])
                self.optimizer.load_state_dict(saved["optimizer"])
            except (RuntimeError, ValueError, KeyError) as error:
                raise MilaError(
                    "the training to go on with does not fit this version of mila_ros; go on with "
                    f"the one that began it, or begin anew in another --out ({_first_line(error)})"
                ) from error
        self._average: AveragedModel | None = None
        if self.how.average:
            self._average = averaged(objective.network, self.how.average)
            if saved:
                self._average.module.load_state_dict(saved["network"])
                self._average.n_averaged.fill_(saved["progress"]["step"])
        self._module: nn.Module = objective
        if processes.count > 1:
            device = objective.mean.device
            self._module = DistributedDataParallel(
                objective,
                device_ids=[device] if device.type == "cuda" else None,
                # A frame without one before it propagates nothing, and a turn may be of one task.
                find_unused_parameters=True,
            )
        self._module.train()

    def __call__(self, batch: Batch, progress: Progress) -> None:
        """One step, and its trace in ``progress``.

        Raises:
            MilaError: A loss or the gradient is not finite; no weight was changed by it.
        """
        stage, step = self.objective.stage, progress.step
        lonely = bool(np.random.default_rng((self.seed, step, 1)).random() < stage.lonely)
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(step, stage)
        parts: dict[str, float] = {}
        tasks: dict[str, float] = {}
        for turn in self.objective.turns:
            losses = self._module(batch, lonely, turn, step / stage.steps)
            self.optimizer.zero_grad(set_to_none=True)
            losses.total.backward()
            most = self.how.max_gradient_norm or torch.inf
            norm = nn.utils.clip_grad_norm_(self.objective.parameters(), most)
            # One transfer: on a GPU each is a wait for all that was begun.
            values = torch.stack(
                [norm, losses.total.detach(), *losses.parts.values(), *losses.tasks.values()]
            ).tolist()
            named = dict(zip(["gradient", "total", *losses.parts], values, strict=False))
            # Of several processes each finds it: what is not finite in one is so in the mean.
            if wrong := [name for name, value in named.items() if not np.isfinite(value)]:
                raise MilaError(
                    f"{', '.join(wrong)}: not finite in step {step + 1} of stage {stage.name}"
                )
            self.optimizer.step()
            parts |= {name: named[name] for name in losses.parts}
            tasks |= dict(zip(losses.tasks, values[2 + len(losses.parts) :], strict=True))
        progress.add(parts, tasks)
        progress.step += 1
        if self._average is not None:
            self._average.update_parameters(self.objective.network)

    @property
    def network(self) -> Network:
        """What the stage has come to: the trained network, or one with its average weights."""
        return self.objective.network if self._average is None else self._average.module

    def end_of_epoch(self, progress: Progress) -> None:
        """Tell the weighting the epoch's mean losses, over all processes."""
        sums = self.processes.sums(progress.epoch)
        progress.epoch = {}
        self.objective.weighting.end_of_epoch(
            {task: total / max(count, 1.0) for task, (total, count) in sums.items()}
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(":")


def averaged(network: Network, decay: float) -> AveragedModel:
    """An exponential moving average of a network's weights, which soon forgets its beginning.

    Args:
        network: What is trained.
        decay: Share of the average that a step leaves; after n steps at most (1 + n) / (10 + n),
            as in TensorFlow's ExponentialMovingAverage.
    """

    def update(means: Any, new: Any, steps: Tensor | int) -> None:
        share = min(decay, (1 + int(steps)) / (10 + int(steps)))
        get_ema_multi_avg_fn(share)(means, new, steps)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True).eval()
