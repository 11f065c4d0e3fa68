# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA's encoders by name."""

from __future__ import annotations

from .efficientnet import DESIGNS as EFFICIENTNETS
from .efficientnet import STRIDE, EfficientNetLite
from .resnet import DESIGNS as RESNETS
from .resnet import ResNet


def build_encoder(
    name: str, output_stride: int = 8, ceil_mode: bool = True, width: int = 64
) -> ResNet | EfficientNetLite:
    """An encoder of one image.

    Args:
        name: Of a :class:`ResNet`, or of an :class:`EfficientNetLite`.
        output_stride: 8, 16 or 32 of a ResNet, 8 of an EfficientNet-Lite.
        ceil_mode: Of a ResNet's max-pool; an EfficientNet-Lite has none, and its maps are of the
            size that a ResNet's have without.
        width: Of a ResNet's stem; of no meaning to an EfficientNet-Lite.

    Raises:
        ValueError: For an unknown name, or what the encoder does not have.
    """
    if name in RESNETS:
        return ResNet(name, output_stride, ceil_mode, width)
    if name not in EFFICIENTNETS:
        names = ", ".join((*RESNETS, *EFFICIENTNETS))
        raise ValueError(f"unknown encoder {name!r}; choose one of {names}")
    if output_stride != STRIDE or ceil_mode:
        raise ValueError(f"{name} wants output_stride {STRIDE} and ceil_mode false")
    return EfficientNetLite(name)
