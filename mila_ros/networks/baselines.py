# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The baselines of the papers' tables: tasks apart, together, and joined by cross-stitch units.

MILA's are DeepLab-ResNets with its decoders: D101-SingleTask, D101-MultiTask and Cross-Stitch
(Misra et al., "Cross-stitch Networks for Multi-task Learning", CVPR 2016). MTI-Net's are its
multi-scale backbones with their heads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..tasks import Task
from .base import SingleFrameNetwork
from .decoder import decoder
from .fpn import multi_scale_backbone, prediction_head
from .resnet import DESIGNS, ResNet


def resnet_decoders(
    tasks: Sequence[Task], channels: int, decoder_channels: tuple[int, int]
) -> nn.ModuleDict:
    """MILA's decoder for each task by name."""
    wide, narrow = decoder_channels
    return nn.ModuleDict(
        {task.name: decoder(channels, (wide, narrow), task.channels) for task in tasks}
    )


class MultiTask(SingleFrameNetwork):
    """One encoder for all tasks, a decoder for each.

    Args:
        tasks: What to predict.
        encoder: A ResNet, or a backbone of :func:`multi_scale_backbone`.
        width: Of the encoder; the paper's when None.
        output_stride, ceil_mode: Of a :class:`ResNet`.
        decoder_channels: Widths inside a decoder on a ResNet.
        pyramid_channels: Of an FPN.

    Raises:
        ValueError: For an unknown encoder or output stride.
    """

    encoder: nn.Module

    def __init__(
        self,
        tasks: Sequence[Task],
        encoder: str = "resnet101",
        width: int | None = None,
        output_stride: int = 8,
        ceil_mode: bool = True,
        decoder_channels: tuple[int, int] = (512, 256),
        pyramid_channels: int = 256,
    ) -> None:
        super().__init__(tasks)
        if encoder in DESIGNS:
            resnet = ResNet(encoder, output_stride, ceil_mode, width or 64)
            self.encoder = resnet
            self.decoders = resnet_decoders(self.tasks, resnet.channels, decoder_channels)
        else:
            backbone = multi_scale_backbone(encoder, width, pyramid_channels)
            self.encoder = backbone
            heads = {t.name: prediction_head(backbone, t.channels) for t in self.tasks}
            self.decoders = nn.ModuleDict(heads)

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        features = self.encoder(image)
        return {name: self.decoders[name](features) for name in tasks}


class SingleTask(SingleFrameNetwork):
    """A network of its own for every task.

    Args:
        tasks: What to predict.
        encoder, width, output_stride, ceil_mode, decoder_channels, pyramid_channels: See
            :class:`MultiTask`.

    Raises:
        ValueError: See :class:`MultiTask`.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        encoder: str = "resnet101",
        width: int | None = None,
        output_stride: int = 8,
        ceil_mode: bool = True,
        decoder_channels: tuple[int, int] = (512, 256),
        pyramid_channels: int = 256,
    ) -> None:
        super().__init__(tasks)
        networks = {
            task.name: MultiTask(
                [task],
                encoder,
                width,
                output_stride,
                ceil_mode,
                decoder_channels,
                pyramid_channels,
            )
            for task in self.tasks
        }
        self.encoders = nn.ModuleDict({name: net.encoder for name, net in networks.items()})
        self.decoders = nn.ModuleDict({name: net.decoders[name] for name, net in networks.items()})

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        return {name: self.decoders[name](self.encoders[name](image)) for name in tasks}


class CrossStitchUnit(nn.Module):
    """Each task's features become a mixture of all tasks', channel by channel (equation 1).

    Starts as a mixture of 0.9 of a task's own features and 0.1 of the others', the values that
    the paper found best for two tasks.

    Args:
        tasks: Their number T.
        channels: Channels of the features.
        own: Share of a task's own features at the start; 1 leaves them as they are.
    """

    def __init__(self, tasks: int, channels: int, own: float = 0.9) -> None:
        super().__init__()
        others = (1 - own) / (tasks - 1) if tasks > 1 else 0.0
        mixture = torch.full((tasks, tasks), others).fill_diagonal_(own if tasks > 1 else 1.0)
        # [to, from, channel]
        self.mixture = nn.Parameter(mixture[:, :, None].repeat(1, 1, channels))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features [B, channels, h, w] of every task, to the same."""
        return [
            sum(
                (weight[:, None, None] * f for weight, f in zip(row, features, strict=True)),
                start=torch.zeros_like(features[0]),
            )
            for row in self.mixture
        ]


class CrossStitch(SingleFrameNetwork):
    """An encoder for every task, joined by a cross-stitch unit after each of the four stages.

    A task cannot be had without the other tasks' encoders: asking for fewer tasks saves no more
    than the decoders.

    Args:
        tasks: What to predict.
        encoder, width, output_stride, ceil_mode: See :class:`ResNet`.
        decoder_channels: Widths inside a decoder.
        own: See :class:`CrossStitchUnit`.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        encoder: str = "resnet101",
        width: int = 64,
        output_stride: int = 8,
        ceil_mode: bool = True,
        decoder_channels: tuple[int, int] = (512, 256),
        own: float = 0.9,
    ) -> None:
        super().__init__(tasks)
        encoders = [ResNet(encoder, output_stride, ceil_mode, width) for _ in self.tasks]
        self.encoders = nn.ModuleList(encoders)
        self.units = nn.ModuleList(
            CrossStitchUnit(len(self.tasks), channels, own)
            for channels in encoders[0].stage_channels
        )
        self.decoders = resnet_decoders(self.tasks, encoders[0].channels, decoder_channels)

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        encoders = [cast(ResNet, encoder) for encoder in self.encoders]
        features = [encoder.stem(image) for encoder in encoders]
        for stage, unit in enumerate(self.units, start=1):
            layers = [getattr(encoder, f"layer{stage}") for encoder in encoders]
            features = unit([layer(x) for layer, x in zip(layers, features, strict=True)])
        by_task = zip(self.tasks, features, strict=True)
        return {task.name: self.decoders[task.name](x) for task, x in by_task if task.name in tasks}
