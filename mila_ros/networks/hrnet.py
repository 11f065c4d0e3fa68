# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HRNet: four resolutions side by side, exchanged again and again.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020.
Parameter names are those of the authors' published weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch.nn.functional as F
from torch import Tensor, nn

from .resnet import BasicBlock, Bottleneck


class _Design(NamedTuple):
    width: int  # channels at a quarter of the image's size; doubled at every lower resolution
    stem_blocks: int
    modules: tuple[int, int, int]  # of stages 2, 3 and 4
    blocks: int  # in every branch of a module


DESIGNS: dict[str, _Design] = {
    "hrnet18_small": _Design(18, 2, (1, 3, 2), 2),  # HRNet-W18-Small-v2, MTI-Net's HRNet-18
    "hrnet18": _Design(18, 4, (1, 4, 3), 4),
    "hrnet48": _Design(48, 4, (1, 4, 3), 4),
}


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int, relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class _Module(nn.Module):
    """Blocks in each branch, then every branch receives the sum of all, resized to it."""

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(c, c, 1, 1, 1, None) for _ in range(blocks)))
            for c in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._fuse(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )

    @staticmethod
    def _fuse(channels: Sequence[int], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            return _conv_bn(channels[source], channels[target], 1, 1, relu=False)
        steps = range(source, target)
        return nn.Sequential(
            *(
                _conv_bn(
                    channels[source],
                    channels[target] if step == steps[-1] else channels[source],
                    3,
                    2,
                    relu=step != steps[-1],
                )
                for step in steps
            )
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for target, layers in enumerate(self.fuse_layers):
            total = maps[target]
            for source, layer in enumerate(cast(nn.ModuleList, layers)):
                if source != target:
                    part = layer(maps[source])
                    if source > target:
                        size = total.shape[2:]
                        part = F.interpolate(part, size, mode="bilinear", align_corners=False)
                    total = total + part
            fused.append(F.relu(total))
        return fused


class HRNet(nn.Module):
    """The backbone.

    Args:
        name: One of :data:`DESIGNS`.
        width: Channels at the highest resolution; the design's own when None.

    Attributes:
        channels: Of the four maps.

    Raises:
        ValueError: For an unknown name.
    """

    def __init__(self, name: str, width: int | None = None) -> None:
        super().__init__()
        if name not in DESIGNS:
            raise ValueError(f"unknown encoder {name!r}; choose one of {', '.join(DESIGNS)}")
        design = DESIGNS[name]
        base = design.width if width is None else width
        self.channels = [base * 2**n for n in range(4)]
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        widen = nn.Sequential(nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256))
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64, 1, 1, 1, widen),
            *(Bottleneck(256, 64, 1, 1, 1, None) for _ in range(design.stem_blocks - 1)),
        )
        before = [256]
        for stage, modules in enumerate(design.modules, start=2):
            channels = self.channels[:stage]
            setattr(self, f"transition{stage - 1}", _transition(before, channels))
            parts = (_Module(channels, design.blocks) for _ in range(modules))
            setattr(self, f"stage{stage}", nn.Sequential(*parts))
            before = channels
        _initialize(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps at 1/4, 1/8, 1/16 and 1/32 of the size of image [B, 3, H, W]."""
        x = F.relu(self.bn1(self.conv1(image)))
        maps = [self.layer1(F.relu(self.bn2(self.conv2(x))))]
        for stage in (2, 3, 4):
            transition = cast(nn.ModuleList, getattr(self, f"transition{stage - 1}"))
            # A new branch starts from the lowest resolution so far.
            sources = maps + [maps[-1]] * (stage - len(maps))
            maps = [step(x) for step, x in zip(transition, sources, strict=True)]
            maps = getattr(self, f"stage{stage}")(maps)
        return maps

    def load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the authors' published ``state_dict`` without its classification head.

        Raises:
            RuntimeError: From torch, naming every other key that is missing, unexpected or of
                another shape.
        """
        heads = ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.")
        self.load_state_dict({k: v for k, v in weights.items() if not k.startswith(heads)})


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Per branch: change the width where it differs, and begin the new branch at half the size."""
    steps: list[nn.Module] = [
        nn.Identity() if b == a else _conv_bn(b, a, 3, 1, relu=True)
        for b, a in zip(before, after, strict=False)
    ]
    for a in after[len(before) :]:
        # The authors' weights have this convolution inside a sequence of one.
        steps.append(nn.Sequential(_conv_bn(before[-1], a, 3, 2, relu=True)))
    return nn.ModuleList(steps)


def _initialize(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
