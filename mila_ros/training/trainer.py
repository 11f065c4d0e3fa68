# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: stages, steps, validation, checkpoints.

A resumed training computes the same numbers as one that was never interrupted: batches and the
learning rate depend on the number of the step alone, everything else is in the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MilaError
from ..networks import Network
from .clips import Clips
from .config import StageConfig, TrainingConfig
from .distributed import Processes
from .labels import resolve_classes
from .log import Log
from .objectives import Objective
from .progress import Progress
from .run_folder import BEST, LAST, RunFolder
from .samples import Batch, Sampler
from .start import random_network, stage_network
from .steps import Steps
from .take_over import Start

__all__ = ["BEST", "LAST", "Trainer", "Validator"]

_LOG_EVERY = 50


class Validator(Protocol):
    """Measures a network as a stage trains it."""

    def __call__(self, network: Network, stage: int) -> Mapping[str, float]:
        """Metrics, of which ``score`` decides what is best."""

    def pictures(self, network: Network, stage: int) -> Mapping[str, NDArray[np.uint8]]:
        """RGB pictures [H, W, 3] of what it sees, by name."""


class Trainer:
    """Trains what a configuration says, from labelled clips.

    Args:
        config: The configuration.
        clips: To learn from.
        out: Folder of checkpoints.
        device: Where to.
        processes: This process among several; see :mod:`.distributed`.
        validate: What measures; None for nothing.
        log: Where losses and metrics go.
        workers: Threads that make samples.
        start: What to begin the first stage with, instead of random weights.

    Raises:
        MilaError: Something does not fit together.
    """

    def __init__(
        self,
        config: TrainingConfig,
        clips: Clips,
        out: Path,
        device: torch.device,
        processes: Processes | None = None,
        validate: Validator | None = None,
        log: Log | None = None,
        workers: int = 1,
        start: Start | None = None,
    ) -> None:
        self.config, self.clips, self.out, self.device = config, clips, out, device
        self.processes = processes or Processes()
        self.validate, self.log, self.workers = validate, log or Log(None), workers
        self.start = start
        self.folder = RunFolder(out, config, clips.fingerprint, self.processes)
        self.classes = resolve_classes(config.classes)
        self.class_weights = torch.ones(len(self.classes.classes))
        if "segmentation" in config.tasks:
            self.class_weights = clips.class_weights().to(device)
        self.progress = Progress()
        for number, stage in enumerate(config.stages):  # a later one may be hours away
            with torch.device("meta"):
                network = random_network(config, number)
                Objective(network, config, stage, self.classes, self.class_weights)
            self._sampler(number)

    def run(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Train to the end of the last stage, or until ``until`` says so after a step.

        Returns:
            Whether it came to the end.

        Raises:
            MilaError: The loss is not finite, a clip cannot be read, or a checkpoint cannot be
                written, read, or gone on from with this configuration.
        """
        first = self.processes.rank == 0
        if first:
            self.out.mkdir(parents=True, exist_ok=True)
        saved = self.processes.from_first(self.folder.resume(self.log) if first else None)
        if saved:
            self.progress = Progress(**saved["progress"])
            if not first:  # what is in it so far is of all processes, and one of them adds it
                self.progress.epoch = {task: [0.0, 0.0] for task in self.progress.epoch}
        else:
            self.log.begin()
            self.log({"clips": len(self.clips.clips), "device": str(self.device),
                      "processes": self.processes.count})  # fmt: skip
        weights = saved["network"] if saved else self._start()
        while self.progress.stage < len(self.config.stages):
            stage = self.config.stages[self.progress.stage]
            steps = self._begin(stage, weights, saved)
            if saved is None:
                self.folder.save_last(steps, self.progress)  # before best.pt can be of this stage
            saved = None
            if not self._train(stage, steps, until):
                return False
            weights = self._best(steps.network)
            self.progress = Progress(stage=self.progress.stage + 1)
        return True

    def _start(self) -> Mapping[str, Tensor] | None:
        return self.start.for_classes(self.classes.classes) if self.start else None

    def best_checkpoint(self) -> Path:
        """The best weights of the last stage by validation, or its last ones."""
        return self.folder.best_checkpoint()

    def _begin(
        self,
        stage: StageConfig,
        weights: Mapping[str, Tensor] | None,
        saved: Mapping[str, Any] | None,
    ) -> Steps:
        """What trains a stage, new or as it was saved."""
        number = self.progress.stage
        example = None
        if stage.distill:
            if saved is None and weights is None:
                raise MilaError(
                    f"stage {stage.name}: distill needs something to begin with, such as "
                    "--start BUNDLE"
                )
            known = saved["example"] if saved else weights
            example = stage_network(self.config, number, known)[0]
            example.to(self.device, memory_format=torch.channels_last).eval()
        network, fresh = stage_network(self.config, number, weights)
        if fresh and saved is None:
            parts = sorted({name.rpartition(".")[0] for name in fresh})
            self.log({"stage": stage.name, "fresh": parts})
        objective = Objective(
            network, self.config, stage, self.classes, self.class_weights, example
        ).to(self.device, memory_format=torch.channels_last)
        return Steps(objective, self.config, self.processes, saved)

    def _train(self, stage: StageConfig, steps: Steps, until: Callable[[], bool]) -> bool:
        """Train to the end of a stage; False when it was stopped before."""
        progress = self.progress
        sampler = self._sampler(progress.stage)
        clock, since, waited = time.monotonic(), progress.step, 0.0
        with closing(sampler.batches(progress.step)) as batches:
            while progress.step < stage.steps:
                asked = time.monotonic()
                batch = next(batches)
                waited += time.monotonic() - asked
                self._step(steps, batch)
                last = progress.step == stage.steps
                if progress.step % _LOG_EVERY == 0 or last:
                    seconds = time.monotonic() - clock
                    seen = (progress.step - since) * stage.batch * self.processes.count
                    self._report(stage, seen / seconds, waited / seconds)
                if progress.step % self.config.epoch_steps == 0:
                    steps.end_of_epoch(progress)
                if progress.step % self.config.validate_every == 0 or last:
                    self._validate(stage, steps)
                stop = self.processes.any(until())
                if progress.step % self.config.save_every == 0 or last or stop:
                    self.folder.save_last(steps, self.progress)
                if progress.step % _LOG_EVERY == 0:
                    clock, since, waited = time.monotonic(), progress.step, 0.0
                if stop and not last:
                    return False
        return True

    def _sampler(self, stage: int) -> Sampler:
        return Sampler(
            self.clips,
            self.config.stages[stage],
            self.config.input.canonical_focal_px,
            self.config.seed + 1000 * stage,
            self.processes.rank,
            self.processes.count,
            self.workers,
        )

    def _step(self, steps: Steps, batch: Batch) -> None:
        try:
            steps(batch.to(self.device), self.progress)
        except MilaError as error:
            last = self.out / LAST
            raise MilaError(
                f"{error}; {last} holds the last checkpoint: lower learning_rate, or look at the "
                "labels"
            ) from error

    def _report(self, stage: StageConfig, rate: float, waiting: float) -> None:
        losses = sorted((self.progress.losses or {}).items())
        head = {
            "stage": stage.name,
            "step": self.progress.step,
            "samples_per_s": round(rate, 2),
            "waiting_for_data": round(waiting, 3),  # share of the time; more workers lower it
        }
        self.log(head | {name: round(value, 4) for name, value in losses})

    def _validate(self, stage: StageConfig, steps: Steps) -> None:
        if self.validate is None or self.processes.rank:
            return
        number, step = self.progress.stage, self.progress.step
        steps.objective.eval()
        metrics = dict(self.validate(steps.network, number))
        if self.log.draws:
            for name, picture in self.validate.pictures(steps.network, number).items():
                self.log.draw(stage.name, step, name, picture)
        steps.objective.train()
        self.log({"stage": stage.name, "step": step, "validation": metrics})
        if metrics["score"] > self.progress.best:
            self.progress.best = metrics["score"]
            self.folder.save_best(steps.network, number, step, metrics)

    def _best(self, network: Network) -> Mapping[str, Tensor]:
        """The stage's best weights by validation, or its last; the first process decides."""
        weights: Mapping[str, Tensor] = network.state_dict()
        if self.validate is not None and not self.processes.rank:
            weights = self.folder.best_of(self.progress.stage) or weights
        return self.processes.from_first({name: value.cpu() for name, value in weights.items()})
