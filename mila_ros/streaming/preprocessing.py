# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a camera's image to the network's input."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .description import SIZE_STEP, InputSpec


def check_image(rgb: object) -> None:
    """Refuse what is no image.

    Raises:
        ValueError: When it is not a uint8 array [H, W, 3] with pixels in it.
    """
    if not isinstance(rgb, np.ndarray):
        raise ValueError(f"an image must be a numpy array, not {type(rgb).__name__}")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(
            f"an image must be RGB, uint8 [height, width, 3] and not empty, "
            f"not {rgb.dtype} {list(rgb.shape)}"
        )


def network_size(height: int, width: int, trained: tuple[int, int]) -> tuple[int, int]:
    """The size at which the network sees an image: its shape, and as many pixels as in training.

    Args:
        height, width: The image's.
        trained: Height and width of the bundle's input.

    Returns:
        Height and width, rounded to multiples of ``SIZE_STEP``; exactly ``trained`` for an image
        of that shape.
    """
    if height * trained[1] == width * trained[0]:
        return trained
    scale = math.sqrt(trained[0] * trained[1] / (height * width)) / SIZE_STEP
    down, across = (max(round(side * scale), 1) * SIZE_STEP for side in (height, width))
    return down, across


class Preprocessor:
    """Uploads, resizes and normalises images.

    Resizing is bilinear, with a low-pass filter when shrinking, on the device. On a CPU it runs
    on the bytes (PyTorch has a vectorised kernel for them), so that nothing but the small image
    becomes floating-point.

    Args:
        spec: The bundle's input.
        device: Where the network is.
    """

    def __init__(self, spec: InputSpec, device: torch.device) -> None:
        self._trained = (spec.height, spec.width)
        self._device = device
        mean, std = (
            255 * torch.tensor(values, device=device).view(1, 3, 1, 1)
            for values in (spec.mean, spec.std)
        )
        self._mean, self._scale = mean, std.reciprocal()

    def __call__(self, rgb: NDArray[np.uint8]) -> Tensor:
        """The network's input for an image.

        Args:
            rgb: uint8 [H, W, 3], of any strides; it is only read.

        Returns:
            float32 [1, 3, h, w] in channels-last memory, with :func:`network_size`.
        """
        size = network_size(rgb.shape[0], rgb.shape[1], self._trained)
        if not (rgb.flags.c_contiguous and rgb.flags.writeable):
            rgb = rgb.copy()  # torch has no negative strides and no read-only tensors
        image = torch.from_numpy(rgb).to(self._device).permute(2, 0, 1).unsqueeze(0)
        if self._device.type != "cpu":
            image = image.float()  # only the CPU resizes bytes
        if image.shape[2:] != size:
            image = F.interpolate(image, size, mode="bilinear", antialias=True)
        # Converting has made a copy, so nothing of the caller's is written to.
        image = image.float().sub_(self._mean).mul_(self._scale)
        return image.contiguous(memory_format=torch.channels_last)
