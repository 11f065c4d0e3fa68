# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training keeps in its folder: where it is, and the best of a stage by validation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import MilaError
from ..networks import Network
from .checkpoints import check_same, load_checkpoint, save_checkpoint
from .config import TrainingConfig
from .distributed import Processes
from .log import Log
from .progress import Progress
from .steps import Steps

LAST, BEST = "last.pt", "best.pt"


class RunFolder:
    """The checkpoints of a training.

    Args:
        path: The folder.
        config: The training.
        clips: Fingerprint of what is learned from.
        processes: This process among several; the first writes.
    """

    def __init__(
        self, path: Path, config: TrainingConfig, clips: str, processes: Processes
    ) -> None:
        self.path, self.config, self.processes = path, config, processes
        # What a resumed training must have in common with the one before, to be the same.
        self.made_by: dict[str, Any] = {"clips": clips, "processes": processes.count}

    def save_last(self, steps: Steps, progress: Progress) -> None:
        """Write all that is needed to go on; every process must call it.

        Raises:
            MilaError: It cannot be written.
        """
        epoch = self.processes.sums(progress.epoch)
        if self.processes.rank:
            return
        objective = steps.objective
        content = {
            "config": self.config.as_dict(),
            "progress": vars(progress) | {"epoch": epoch},
            "network": steps.network.state_dict(),
            "objective": objective.state_dict(),
            "optimizer": steps.optimizer.state_dict(),
            "made_by": self.made_by,
        }
        if objective.example is not None:
            content["example"] = objective.example.state_dict()
        save_checkpoint(self.path / LAST, content)

    def save_best(
        self, network: Network, stage: int, step: int, metrics: Mapping[str, float]
    ) -> None:
        """Write the weights that are the best of a stage so far.

        Raises:
            MilaError: They cannot be written.
        """
        save_checkpoint(
            self.path / BEST,
            {
                "config": self.config.as_dict(),
                "stage": stage,
                "step": step,
                "network": network.state_dict(),
                "metrics": metrics,
            },
        )

    def best_of(self, stage: int) -> Mapping[str, Tensor] | None:
        """The best weights of a stage; None where there are none of it.

        Raises:
            MilaError: They cannot be read.
        """
        path = self.path / BEST
        if not path.exists():
            return None
        best = load_checkpoint(path)
        weights: Mapping[str, Tensor] = best["network"]
        return weights if best["stage"] == stage else None

    def best_checkpoint(self) -> Path:
        """The file with the best weights of the last stage, or with its last ones.

        Raises:
            MilaError: The first cannot be read.
        """
        is_of_last = self.best_of(len(self.config.stages) - 1) is not None
        return self.path / (BEST if is_of_last else LAST)

    def resume(self, log: Log) -> dict[str, Any] | None:
        """The content of the last checkpoint, to go on from; None at the beginning.

        Args:
            log: Is taken back to that step.

        Raises:
            MilaError: It cannot be read, or gone on from with this configuration.
        """
        path = self.path / LAST
        if not path.exists():
            if (self.path / BEST).exists():
                raise MilaError(
                    f"{self.path} holds {BEST} of some training and no {LAST} to go on from; give "
                    "another --out, or move it away"
                )
            return None
        saved = load_checkpoint(path)
        if not {"config", "progress", "objective", "optimizer"} <= set(saved):
            raise MilaError(f"{path} is no checkpoint of a training; remove it to start afresh")
        check_same(saved["config"], self.config, path)
        progress = Progress(**saved["progress"])
        stage = self.config.stages[progress.stage].name
        print(f"going on after step {progress.step} of stage {stage}", file=sys.stderr)
        log.rewind([s.name for s in self.config.stages], progress.stage, progress.step)
        if saved.get("made_by", self.made_by) != self.made_by:
            log({"stage": stage, "note": "goes on with other clips or processes than before"})
        return saved
