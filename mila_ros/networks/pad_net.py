# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PAD-Net: multi-task guided prediction and distillation (Xu et al., CVPR 2018).

As MTI-Net's paper compares with it: on a multi-scale backbone, whose maps are brought together at
a quarter of the image's size, where all interaction between the tasks happens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from ..tasks import Task
from .base import SingleFrameNetwork, named_tasks
from .distillation import Distillation, Predictions
from .fpn import finest, multi_scale_backbone
from .layers import conv_bn_relu
from .resnet import Bottleneck


def _bottlenecks(inputs: int, outputs: int) -> nn.Sequential:
    """Two bottlenecks, the first of which may change the width."""
    planes, shortcut = outputs // Bottleneck.expansion, None
    if inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(
        Bottleneck(inputs, planes, 1, 1, 1, shortcut), Bottleneck(outputs, planes, 1, 1, 1, None)
    )


class PADNet(SingleFrameNetwork):
    """The network: initial predictions, distillation between their features, final predictions.

    Args:
        tasks: What to predict.
        backbone, width, pyramid_channels: See :func:`multi_scale_backbone`.
        auxiliary: Tasks, or names of tasks, that are predicted in the front-end only: they help
            the others, and are given by :meth:`predictions` alone.
        task_channels: Channels of every task's features, a multiple of four.

    Raises:
        ValueError: For a task both predicted and auxiliary, or an unknown backbone.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        backbone: str = "hrnet18_small",
        auxiliary: Sequence[Task | str] = (),
        width: int | None = None,
        pyramid_channels: int = 256,
        task_channels: int = 256,
    ) -> None:
        super().__init__(tasks)
        self.auxiliary = named_tasks(auxiliary)
        every = [*self.tasks, *self.auxiliary]
        names, targets = [task.name for task in every], [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("a task is either predicted or auxiliary, and given once")
        if task_channels % Bottleneck.expansion:
            raise ValueError(f"task_channels must be a multiple of 4, not {task_channels}")
        self.encoder = multi_scale_backbone(backbone, width, pyramid_channels)
        total = sum(self.encoder.channels)
        self.neck = conv_bn_relu(total, total, 1)
        self.refine = nn.ModuleDict({name: _bottlenecks(total, task_channels) for name in names})
        self.initial = nn.ModuleDict(
            {task.name: nn.Conv2d(task_channels, task.channels, 1) for task in every}
        )
        self.distillation = Distillation(targets, names, task_channels)
        self.decoders = nn.ModuleDict(
            {
                task.name: nn.Sequential(
                    _bottlenecks(task_channels, task_channels),
                    nn.Conv2d(task_channels, task.channels, 1),
                )
                for task in self.tasks
            }
        )

    def initial_features(self, image: Tensor) -> dict[str, Tensor]:
        """Every task's features, [B, task_channels, H/4, W/4]."""
        shared = self.neck(torch.cat(finest(self.encoder(image)), dim=1))
        return {name: block(shared) for name, block in self.refine.items()}

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        return self._decode(self.initial_features(image), tasks)

    def predictions(self, image: Tensor) -> Predictions:
        """Final and initial logits, all at a quarter of the image's size."""
        features = self.initial_features(image)
        initial = {name: head(features[name]) for name, head in self.initial.items()}
        return Predictions(self._decode(features, [t.name for t in self.tasks]), (initial,))

    def _decode(self, features: dict[str, Tensor], tasks: Collection[str]) -> dict[str, Tensor]:
        distilled = self.distillation(features, tasks)
        return {name: self.decoders[name](x) for name, x in distilled.items()}
