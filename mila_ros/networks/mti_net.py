# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MTI-Net: multi-scale task interaction networks (Vandenhende et al., ECCV 2020).

At each of four scales, from coarse to fine: every task makes initial features and an initial
prediction; features are distilled between the tasks; and they are propagated to the next scale.
The distilled features of all scales give the final predictions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tasks import Task
from .base import SingleFrameNetwork, named_tasks
from .distillation import Distillation, Predictions, basic_block
from .fpn import multi_scale_backbone, prediction_head
from .layers import SqueezeExcitation

GROUPINGS = ("tasks", "adjacent")


class FeaturePropagation(nn.Module):
    """The feature propagation module of section 2.4.

    Harmonisation brings all tasks' features into one shared map; each task then takes from it what
    its channel gate lets through.

    Args:
        tasks: Names of the N tasks.
        channels: Channels C of every task's features.
        grouping: Over what the attention mask is a softmax: ``"tasks"``, as the paper says, or
            ``"adjacent"``, over each N channels that lie side by side once the tasks are
            concatenated, as the authors' own program does.
        se_reduction: Ratio r of the gates.
    """

    def __init__(
        self, tasks: Sequence[str], channels: int, grouping: str = "tasks", se_reduction: int = 16
    ) -> None:
        super().__init__()
        together = len(tasks) * channels
        self.grouping = grouping
        self.function = nn.Sequential(
            basic_block(together, together // 4),
            basic_block(together // 4, together // 4),
            nn.Conv2d(together // 4, together, 1),
        )
        self.reduce = basic_block(together, channels)
        self.gates = nn.ModuleDict(
            {task: SqueezeExcitation(channels, se_reduction) for task in tasks}
        )

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features [B, C, h, w] by task, refined."""
        joined = torch.cat([features[task] for task in self.gates], dim=1)
        shared = self.reduce(joined * self.attention(joined))
        return {task: features[task] + gate(shared) for task, gate in self.gates.items()}

    def attention(self, joined: Tensor) -> Tensor:
        """The mask for the tasks' concatenated features, both [B, N·C, h, w]."""
        tasks = len(self.gates)
        scores = self.function(joined)
        split = (tasks, -1) if self.grouping == "tasks" else (-1, tasks)
        scores = scores.unflatten(1, split)
        mask = scores.softmax(dim=1 if self.grouping == "tasks" else 2)
        return mask.flatten(1, 2)


class InitialFeatures(nn.Module):
    """The front-end at one scale: per task two residual blocks and an initial prediction.

    Args:
        tasks: Which.
        inputs: Channels of what the blocks see.
        channels: Channels of the features.
    """

    def __init__(self, tasks: Sequence[Task], inputs: int, channels: int) -> None:
        super().__init__()
        self.refine = nn.ModuleDict(
            {
                task.name: nn.Sequential(
                    basic_block(inputs, channels), basic_block(channels, channels)
                )
                for task in tasks
            }
        )
        self.predict = nn.ModuleDict(
            {task.name: nn.Conv2d(channels, task.channels, 1) for task in tasks}
        )


class MTINet(SingleFrameNetwork):
    """The network.

    Args:
        tasks: What to predict.
        backbone: ``hrnet18_small`` (the paper's HRNet-18), ``hrnet48``, ``fpn_resnet18``,
            ``fpn_resnet50`` and others, see :func:`multi_scale_backbone`.
        auxiliary: Tasks, or names of tasks, that are predicted in the front-end only: they help
            the others, and are given by :meth:`predictions` alone.
        width: Of the backbone; the paper's when None.
        pyramid_channels: Of the maps of an FPN.
        task_channels: Channels of every task's features at each of the four scales; those of the
            backbone's maps when None.
        propagate: False is "w/o FPM" of Table 2.
        grouping, se_reduction: See :class:`FeaturePropagation`.

    Raises:
        ValueError: For a task both predicted and auxiliary, an unknown backbone or grouping.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        backbone: str = "hrnet18_small",
        auxiliary: Sequence[Task | str] = (),
        width: int | None = None,
        pyramid_channels: int = 256,
        task_channels: Sequence[int] | None = None,
        propagate: bool = True,
        grouping: str = "tasks",
        se_reduction: int = 16,
    ) -> None:
        super().__init__(tasks)
        if grouping not in GROUPINGS:
            raise ValueError(f"grouping is one of {', '.join(GROUPINGS)}, not {grouping!r}")
        self.auxiliary = named_tasks(auxiliary)
        every = [*self.tasks, *self.auxiliary]
        names, targets = [task.name for task in every], [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("a task is either predicted or auxiliary, and given once")
        self.encoder = multi_scale_backbone(backbone, width, pyramid_channels)
        given = self.encoder.channels
        channels = list(given if task_channels is None else task_channels)
        if len(channels) != len(given):
            raise ValueError(f"task_channels needs {len(given)} numbers, one per scale")
        below = [*channels[1:], 0] if propagate else [0] * len(given)
        self.front = nn.ModuleList(
            InitialFeatures(every, g + b, c) for g, b, c in zip(given, below, channels, strict=True)
        )
        self.propagation = nn.ModuleList(
            FeaturePropagation(names, c, grouping, se_reduction)
            for c in (channels[1:] if propagate else ())
        )
        self.distillation = nn.ModuleList(Distillation(targets, names, c) for c in channels)
        self.decoders = nn.ModuleDict(
            {
                task.name: prediction_head(self.encoder, task.channels, channels)
                for task in self.tasks
            }
        )

    def initial_features(self, image: Tensor) -> list[dict[str, Tensor]]:
        """Every task's features [B, C_s, h_s, w_s] at each scale s, finest first."""
        scales: list[dict[str, Tensor]] = []
        passed: dict[str, Tensor] = {}
        maps = self.encoder(image)
        for scale in reversed(range(len(maps))):
            seen, refine = maps[scale], cast(InitialFeatures, self.front[scale]).refine
            features = {
                task: block(_join(seen, passed.get(task))) for task, block in refine.items()
            }
            scales.insert(0, features)
            if self.propagation and scale > 0:
                passed = self.propagation[scale - 1](features)
        return scales

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        return self._aggregate(self.initial_features(image), tasks)

    def predictions(self, image: Tensor) -> Predictions:
        """Final and initial logits, each at a size of its own, for deep supervision."""
        scales = self.initial_features(image)
        initial = []
        for features, front in zip(scales, self.front, strict=True):
            heads = cast(InitialFeatures, front).predict
            initial.append({task: head(features[task]) for task, head in heads.items()})
        return Predictions(self._aggregate(scales, [t.name for t in self.tasks]), tuple(initial))

    def _aggregate(
        self, scales: Sequence[dict[str, Tensor]], tasks: Collection[str]
    ) -> dict[str, Tensor]:
        distilled = [
            unit(features, tasks) for unit, features in zip(self.distillation, scales, strict=True)
        ]
        return {task: self.decoders[task]([scale[task] for scale in distilled]) for task in tasks}


def _join(seen: Tensor, passed: Tensor | None) -> Tensor:
    """Backbone features with what the coarser scale passed on."""
    if passed is None:
        return seen
    larger = F.interpolate(passed, seen.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat([seen, larger], dim=1)
