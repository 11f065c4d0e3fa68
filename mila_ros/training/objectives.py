# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a stage of training minimises: a module from a batch to a total and its named parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..data.datasets.labels import Taxonomy
from ..networks import ASTMT, MILA, Network
from .adversarial import FeatureDiscriminator, adversarial_loss
from .config import StageConfig, TrainingConfig
from .criteria import criteria
from .imitation import forgetting_loss
from .losses import alignment_loss
from .passes import Answer, Answers, on_frames, on_pair, on_video
from .samples import Batch
from .stage_checks import check_objective
from .targets import known
from .task_adversarial import TaskDiscriminator, combined_loss, task_adversarial_loss
from .task_losses import task_losses
from .weighting import build_weighting


class Losses(NamedTuple):
    """What a batch costs; scalars.

    Attributes:
        total: To be minimised.
        parts: Every loss on its own, by the name that the log has for it.
        tasks: By task, the sum of its losses before weighting.
    """

    total: Tensor
    parts: dict[str, Tensor]
    tasks: dict[str, Tensor]


class Objective(nn.Module):
    """Losses of one stage, with all that is trained in it.

    Args:
        network: To be trained.
        config: The training.
        stage: The stage.
        classes: Of the segmentation.
        class_weights: float32 [classes], of the segmentation's cross-entropy; on the device.
        example: The network that the stage began with, where it is not to be forgotten.

    Attributes:
        network: The same.
        pretrained: Its parts that the stage has a learning rate of their own for, and its factor.
        rates: Parts of the network with the factors of their learning rates, the inner ones first;
            what is in none of them has 1.
        turns: What is trained one after the other on every batch: the tasks of ASTMT, each with an
            optimiser step of its own; None for all tasks at once.
        weighting: How the tasks' losses are summed; may have parameters.

    Raises:
        MilaError: The network cannot be trained in this way.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: Network,
        config: TrainingConfig,
        stage: StageConfig,
        classes: Taxonomy,
        class_weights: Tensor,
        example: Network | None = None,
    ) -> None:
        super().__init__()
        check_objective(network, config, stage)
        self.network = network
        self.stage = stage
        self.pretrained = {network.get_submodule(n): f for n, f in stage.pretrained.items()}
        for part, factor in self.pretrained.items():
            part.requires_grad_(factor > 0)
        self.sky = classes.id("sky") if "sky" in classes.classes else None
        self.amp = config.precision == "bf16"
        self.tasks = {t.name: t for t in (*network.tasks, *getattr(network, "auxiliary", ()))}
        arguments = {k: v for k, v in config.weighting.items() if k != "name"}
        self.weighting = build_weighting(config.weighting["name"], list(self.tasks), **arguments)
        self.criteria = criteria(self.tasks, config, class_weights)
        self.turns: tuple[str | None, ...] = (None,)
        # Without modulation the tasks' gradients meet at the same features, and are one step's; to
        # be told apart by a discriminator they must come one by one (ASTMT, Table 3d).
        if isinstance(network, ASTMT) and (network.modulated != "none" or stage.task_adversarial):
            self.turns = tuple(self.tasks)
        self.rates = _rates(network, self.pretrained, len(self.turns))
        self.discriminator = _discriminator(network, stage)
        self._example = (example,)  # a tuple: neither trained nor saved with the rest
        self.register_buffer("mean", torch.tensor(config.input.mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(config.input.std).view(1, 3, 1, 1), False)

    @property
    def example(self) -> Network | None:
        """The network that the stage began with, in evaluation mode, or None."""
        return self._example[0]

    def train(self, mode: bool = True) -> Objective:
        """As usual, except that batch norms stay in evaluation mode where they are fixed."""
        super().train(mode)
        fixed = [self.network] if self.stage.batch_norm == "fixed" else list(self.pretrained)
        for part in fixed:
            for module in part.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(
        self, batch: Batch, lonely: bool = False, turn: str | None = None, done: float = 0.0
    ) -> Losses:
        """What is to be minimised.

        Args:
            batch: As the stage's objective wants it.
            lonely: Leave earlier frames out, as at the start of a stream.
            turn: One of :attr:`turns`.
            done: Share of the stage that is done, 0 to 1.
        """
        if turn is not None:
            return self._one_task(batch, turn, done)
        extra: dict[str, Tensor] = {}
        with self._autocast(batch):
            answers, features = self._answers(self.network, batch, lonely)
            if features is not None:
                extra = self._alignment(*features)
        tasks: dict[str, Tensor] = {}
        parts: dict[str, Tensor] = {}
        for kind, answer in answers.items():
            for name, loss in task_losses(self.criteria, answer, batch, self.sky).items():
                parts[f"{name}_{kind}"] = loss.detach()
                tasks[name] = tasks.get(name, loss.new_zeros(())) + loss
        total = self.weighting(tasks)
        if self.example is not None:
            extra["distill"] = self._forgetting(self.example, answers, batch, lonely)
        for name, loss in extra.items():
            parts[name] = loss.detach()
            total = total + getattr(self.stage, name) * loss
        return Losses(total, parts, {name: loss.detach() for name, loss in tasks.items()})

    def _autocast(self, batch: Batch) -> torch.autocast:
        return torch.autocast(batch.image.device.type, torch.bfloat16, enabled=self.amp)

    def _answers(
        self, network: Network, batch: Batch, lonely: bool
    ) -> tuple[Answers, tuple[Tensor, Tensor] | None]:
        if self.stage.objective == "video":
            return on_video(network, batch.image, self._normalise, lonely)
        if self.stage.objective == "pair":
            return on_pair(network, batch.image, self._normalise, lonely), None
        return on_frames(network, batch.image, self._normalise), None

    def _one_task(self, batch: Batch, task: str, done: float) -> Losses:
        """ASTMT's step of one task."""
        with self._autocast(batch):
            features = self.network.features(self._normalise(batch.image[0]), task)
            answer = Answer({task: self.network.heads[task](features)}, 0)
        loss = task_losses(self.criteria, answer, batch, self.sky)[task]
        parts = {f"{task}_frame": loss.detach()}
        total = self.weighting({task: loss})
        if isinstance(self.discriminator, TaskDiscriminator):
            labelled = known(task, batch.targets[task][0])
            against = task_adversarial_loss(
                self.discriminator, total, features, task, done, labelled
            )
            parts[f"{task}_adversarial"] = against.detach()
            total = combined_loss(total, against, self.stage.task_adversarial)
        return Losses(total, parts, {task: loss.detach()})

    def _alignment(self, slow: Tensor, fast: Tensor) -> dict[str, Tensor]:
        """MILA's equation 3, of a keyframe's features."""
        extra = {}
        if self.stage.l1:
            extra["l1"] = alignment_loss(slow.float(), fast.float())
        if self.discriminator is not None:
            extra["adversarial"] = adversarial_loss(self.discriminator, slow, fast)
        return extra

    def _forgetting(self, example: Network, answers: Answers, batch: Batch, lonely: bool) -> Tensor:
        with torch.no_grad(), self._autocast(batch):
            examples, _ = self._answers(example, batch, lonely)
        same = {t.name: t for t in example.tasks if self.tasks.get(t.name) == t}
        total = torch.zeros((), device=batch.image.device)
        for kind, answer in answers.items():
            targets = {name: batch.targets[name][answer.role] for name in same}
            total = total + forgetting_loss(same, answer.logits, examples[kind].logits, targets)
        return total

    def _normalise(self, images: Tensor) -> Tensor:
        image = (images.float() / 255 - self.mean) / self.std
        return image.contiguous(memory_format=torch.channels_last)


def _rates(
    network: Network, pretrained: Mapping[nn.Module, float], turns: int
) -> list[tuple[Sequence[nn.Module], float]]:
    """The factors that a stage wants, and on what ASTMT's tasks share, as many times less.

    A batch is a step for every task, and what they share takes part in each (ASTMT, appendix D).
    """
    if turns == 1 or not isinstance(network, ASTMT):
        return [([part], factor) for part, factor in pretrained.items()]
    own = [part for task in network.tasks for part in network.parts_of(task.name)]
    rates: list[tuple[Sequence[nn.Module], float]] = []
    for part, factor in {**pretrained, network: 1.0}.items():
        inside = set(part.modules())
        rates.append(([one for one in own if one in inside], factor))
        rates.append(([part], factor / turns))
    return rates


def _discriminator(network: Network, stage: StageConfig) -> nn.Module | None:
    if stage.objective == "video" and isinstance(network, MILA) and stage.adversarial:
        return FeatureDiscriminator(network.channels)
    if stage.task_adversarial and isinstance(network, ASTMT):
        names = [task.name for task in network.tasks]
        return TaskDiscriminator(names, network.heads[names[0]].in_channels)
    return None
