# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the network runs."""

from __future__ import annotations

import re

import cv2
import torch

from ..errors import MilaError


def resolve_device(name: str) -> torch.device:
    """The device of a name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``auto`` is CUDA where there is a device, else the CPU. A device that is asked for by name is
    never replaced by another.

    Raises:
        MilaError: For another name, or a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if not match:
        raise MilaError(f"unknown device {name!r}; choose auto, cpu, cuda or cuda:N")
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        reason = (
            "PyTorch finds no GPU or driver"
            if torch.version.cuda
            else "this PyTorch is a build without CUDA"
        )
        raise MilaError(
            f"the device {name} is not there: {reason}; choose cpu, or install the PyTorch that "
            "fits the machine's driver"
        )
    count = torch.cuda.device_count()
    if int(match[1] or 0) >= count:
        raise MilaError(f"the device {name} is not there: choose one of cuda:0 to cuda:{count - 1}")
    return torch.device(name)


_own_choice: list[int] = []
"""How many threads PyTorch and OpenCV had before they were first limited."""


def set_threads(count: int) -> None:
    """Limit the threads that PyTorch and OpenCV use within one operation, in this process.

    Args:
        count: 0 leaves the choice to both, and takes back what an earlier call has limited.

    Raises:
        MilaError: When it is negative.
    """
    if count < 0:
        raise MilaError(f"the number of threads must be 0 (leave as it is) or more, not {count}")
    if not count and not _own_choice:
        return
    if not _own_choice:
        _own_choice.extend((torch.get_num_threads(), cv2.getNumThreads()))
    for_torch, for_opencv = (count, count) if count else _own_choice
    torch.set_num_threads(for_torch)
    cv2.setNumThreads(for_opencv)
