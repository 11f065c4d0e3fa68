# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ResNet encoders as DeepLab uses them: strides traded for dilation.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Chen et al., "DeepLab",
TPAMI 2018. Parameter names are torchvision's, so that its published weights load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn


class _Design(NamedTuple):
    bottleneck: bool
    blocks: tuple[int, int, int, int]


DESIGNS: dict[str, _Design] = {
    "resnet18": _Design(False, (2, 2, 2, 2)),
    "resnet34": _Design(False, (3, 4, 6, 3)),
    "resnet50": _Design(True, (3, 4, 6, 3)),
    "resnet101": _Design(True, (3, 4, 23, 3)),
}


def _conv3x3(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (ResNet-18 and -34)."""

    expansion = 1

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int,
        dilation: int,
        next_dilation: int,
        downsample: nn.Module | None,
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(inputs, planes, stride, dilation)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes, 1, next_dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 with the stride in the 3×3, as torchvision has it (ResNet-50 and -101)."""

    expansion = 4

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int,
        dilation: int,
        next_dilation: int,  # only a basic block has a second 3×3
        downsample: nn.Module | None,
    ) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _conv3x3(planes, planes, stride, dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet(nn.Module):
    """A ResNet without its classifier.

    Args:
        name: One of ``resnet18``, ``resnet34``, ``resnet50``, ``resnet101``.
        output_stride: 8, 16 or 32: pixels of the image per pixel of the output. Strides beyond it
            become dilation, as torchvision's ``replace_stride_with_dilation``.
        ceil_mode: Round the max-pool's size up, the mark of the DeepLab-ResNet lineage; a 256×512
            image then gives a 33×65 map at stride 8 instead of 32×64.
        width: Channels of the stem; 64 in the paper, less for a smaller network.

    Attributes:
        channels: Channels of the features.
        stage_channels: Channels of the outputs of ``layer1`` to ``layer4``.

    Raises:
        ValueError: For an unknown name or an output stride other than 8, 16 and 32.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self, name: str, output_stride: int = 8, ceil_mode: bool = True, width: int = 64
    ) -> None:
        super().__init__()
        if name not in DESIGNS:
            raise ValueError(f"unknown encoder {name!r}; choose one of {', '.join(DESIGNS)}")
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output stride must be 8, 16 or 32, not {output_stride}")
        design = DESIGNS[name]
        self.output_stride = output_stride
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_mode)
        self.stage_channels: list[int] = []
        channels, stride, dilation = width, 4, 1
        for stage, blocks in enumerate(design.blocks):
            step = 1 if stage == 0 else 2
            first_dilation = dilation
            if step == 2 and stride >= output_stride:
                step, dilation = 1, dilation * 2
            stride *= step
            planes = width * 2**stage
            layer, channels = _stage(
                design.bottleneck, channels, planes, blocks, step, first_dilation, dilation
            )
            setattr(self, f"layer{stage + 1}", layer)
            self.stage_channels.append(channels)
        self.channels = channels
        _initialize(self)

    def forward(self, image: Tensor) -> Tensor:
        """Features [B, self.channels, ~H/output_stride, ~W/output_stride] of image [B, 3, H, W]."""
        return self.stages(image)[-1]

    def stem(self, image: Tensor) -> Tensor:
        """What comes before ``layer1``, at a quarter of the size of image [B, 3, H, W]."""
        return self.maxpool(self.relu(self.bn1(self.conv1(image))))

    def stages(self, image: Tensor) -> tuple[Tensor, ...]:
        """The outputs of ``layer1`` to ``layer4``, the first at a quarter of the image's size."""
        x, outputs = self.stem(image), []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            outputs.append(x)
        return tuple(outputs)

    def load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Take over a torchvision ``state_dict``; its classifier ``fc.*`` is left out.

        Raises:
            RuntimeError: From torch, naming every other key that is missing, unexpected or of
                another shape.
        """
        self.load_state_dict({k: v for k, v in weights.items() if not k.startswith("fc.")})


def _stage(
    bottleneck: bool,
    channels: int,
    planes: int,
    blocks: int,
    stride: int,
    first_dilation: int,
    dilation: int,
) -> tuple[nn.Sequential, int]:
    """One of the four stages, and its output channels.

    The first block keeps the dilation of the stage before it, as torchvision does: that is what
    its published weights were trained next to.
    """
    block: type[BasicBlock] | type[Bottleneck] = Bottleneck if bottleneck else BasicBlock
    outputs = planes * block.expansion
    downsample = None
    if stride != 1 or channels != outputs:
        downsample = nn.Sequential(
            nn.Conv2d(channels, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
        )
    layers = [block(channels, planes, stride, first_dilation, dilation, downsample)]
    layers += [block(outputs, planes, 1, dilation, dilation, None) for _ in range(1, blocks)]
    return nn.Sequential(*layers), outputs


def _initialize(network: nn.Module) -> None:
    """He initialisation, and residual blocks that begin as the identity.

    Without the latter (Goyal et al., 2017, section 5.1) a ResNet-34 from random weights stays
    behind a ResNet-18 of half its width for the thousands of steps that a small training has.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in network.modules():
        if isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)
        elif isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
