# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ASTMT: attentive single-tasking of multiple tasks (Maninis et al., CVPR 2019).

One network, run once per task; each run is modulated to the task at hand by squeeze-and-excitation,
residual adapters and batch norm of the task's own, around convolutions that all tasks share. The
architecture is DeepLabv3+ (Chen et al., ECCV 2018) on a SE-ResNet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tasks import Task
from .base import SingleFrameNetwork
from .layers import SqueezeExcitation
from .se_resnet import DEPTHS, SHARED, Adapted, PerTask, SEResNet

MODULATED = ("all", "decoder", "none")


class ConvSE(nn.Module):
    """Convolution, batch norm, ReLU, and a gate: what the decoder is made of."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        tasks: Sequence[str],
        adapters: bool,
        dilation: int = 1,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
        self.conv = Adapted(conv, tasks, adapters)
        self.se = PerTask(tasks, SqueezeExcitation(outputs, reduction))

    def forward(self, x: Tensor, task: str) -> Tensor:
        return self.se(F.relu(self.conv(x, task)), task)


class Decoder(nn.Module):
    """DeepLabv3+'s: atrous pyramid, joined with low-level features by two 3×3 convolutions.

    Args:
        low, high: Channels of the features at a quarter of the image's size, and of the last.
        width: Channels of every layer; 256 in DeepLabv3+.
        rates: Dilations of the pyramid's 3×3 convolutions.
        tasks, adapters: See :class:`Adapted`.
    """

    def __init__(
        self,
        low: int,
        high: int,
        width: int,
        rates: Sequence[int],
        tasks: Sequence[str],
        adapters: bool,
    ) -> None:
        super().__init__()
        narrow = 48 * width // 256
        self.pyramid = nn.ModuleList(
            [
                ConvSE(high, width, 1, tasks, adapters),
                *(ConvSE(high, width, 3, tasks, adapters, rate) for rate in rates),
            ]
        )
        self.pooled = ConvSE(high, width, 1, tasks, adapters=False)
        self.project = ConvSE(width * (2 + len(rates)), width, 1, tasks, adapters)
        self.low = ConvSE(low, narrow, 1, tasks, adapters, reduction=4)
        self.join1 = ConvSE(width + narrow, width, 3, tasks, adapters)
        self.join2 = ConvSE(width, width, 3, tasks, adapters)

    def forward(self, low: Tensor, high: Tensor, task: str) -> Tensor:
        """Features [B, width, H/4, W/4]."""
        pooled = self.pooled(high.mean((2, 3), keepdim=True), task)
        parts = [branch(high, task) for branch in self.pyramid]
        x = self.project(torch.cat([*parts, pooled.expand_as(parts[0])], dim=1), task)
        x = F.interpolate(x, low.shape[2:], mode="bilinear", align_corners=False)
        x = self.join1(torch.cat([x, self.low(low, task)], dim=1), task)
        return self.join2(x, task)


class ASTMT(SingleFrameNetwork):
    """The network: a full forward pass for every task asked for.

    In training it needs at least two images a batch, for the batch norm after global pooling.

    Args:
        tasks: What to predict.
        encoder: ``se_resnet26``, ``se_resnet50`` or ``se_resnet101``.
        modulated: Where tasks have gates and batch norms of their own: ``"all"``, ``"decoder"``
            (the encoder then runs once for all tasks) or ``"none"``, the multi-task baseline.
        adapters: Residual adapters, wherever the network is modulated.
        output_stride: 8 or 16.
        width: Channels of the encoder's stem.
        decoder_width: Channels of the decoder's layers.

    Raises:
        ValueError: For an unknown encoder, modulation or output stride.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        encoder: str = "se_resnet26",
        modulated: str = "all",
        adapters: bool = True,
        output_stride: int = 16,
        width: int = 64,
        decoder_width: int = 64,
    ) -> None:
        super().__init__(tasks)
        if encoder not in DEPTHS:
            raise ValueError(f"unknown encoder {encoder!r}; choose one of {', '.join(DEPTHS)}")
        if modulated not in MODULATED:
            raise ValueError(f"modulated is one of {', '.join(MODULATED)}, not {modulated!r}")
        if output_stride not in (8, 16):
            raise ValueError(f"output stride must be 8 or 16, not {output_stride}")
        names = [task.name for task in self.tasks]
        in_encoder = names if modulated == "all" else []
        in_decoder = names if modulated != "none" else []
        rates = [rate * 16 // output_stride for rate in (6, 12, 18)]
        self.modulated = modulated
        self.encoder = SEResNet(encoder, output_stride, width, in_encoder, adapters)
        low, *_, high = self.encoder.stage_channels
        self.decoder = Decoder(low, high, decoder_width, rates, in_decoder, adapters)
        self.heads = nn.ModuleDict(
            {task.name: nn.Conv2d(decoder_width, task.channels, 1) for task in self.tasks}
        )

    def features(self, image: Tensor, task: str) -> Tensor:
        """The decoder's features for a task, [B, decoder_width, H/4, W/4].

        The gradient of a task's loss at these is what adversarial training makes
        indistinguishable between tasks (section 4).
        """
        return self.decoder(*self.encoder(image, task), task)

    def predict(self, image: Tensor, tasks: Collection[str]) -> dict[str, Tensor]:
        if self.modulated == "all":
            return {task: self.heads[task](self.features(image, task)) for task in tasks}
        encoded = self.encoder(image, SHARED)
        if self.modulated == "decoder":
            return {task: self.heads[task](self.decoder(*encoded, task)) for task in tasks}
        features = self.decoder(*encoded, SHARED)
        return {task: self.heads[task](features) for task in tasks}

    def parts_of(self, task: str) -> list[nn.Module]:
        """The layers that are a task's own; no other task's output depends on them."""
        parts = [m[task] for m in self.modules() if isinstance(m, PerTask) and task in m]
        return [*parts, self.heads[task]]

    def parameters_of(self, task: str) -> list[nn.Parameter]:
        """The parameters of :meth:`parts_of`."""
        return [p for part in self.parts_of(task) for p in part.parameters()]
