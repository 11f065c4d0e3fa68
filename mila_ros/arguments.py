# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values of the commands' options: an argparse ``type`` for each kind of them."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError


def whole(text: str) -> int:
    """A whole number from 0.

    Raises:
        ArgumentTypeError: It is none; here and below, argparse shows the message.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def positive(text: str) -> float:
    """A number over 0, and not infinite."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number over 0")
    return value


def frame_rate(text: str) -> float:
    """Frames a second, over 0 and at most 1000."""
    value = _number(text)
    if not 0 < value <= 1000:
        raise ArgumentTypeError(f"{text!r} is not a number of frames a second (0 to 1000)")
    return value


def seconds(text: str) -> float:
    """Seconds, from 0 to a billion: what in nanoseconds fits 64 bits."""
    value = _number(text)
    if not 0 <= value <= 1e9:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds (0 to 1000000000)")
    return value


def size(text: str) -> tuple[int, int]:
    """Width and height of ``WxH``, in pixels."""
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise ArgumentTypeError(
            f"{text!r} is not a size from 16x16 to 4096x4096, width first, such as 512x256"
        )
    return width, height


def network_size(text: str) -> tuple[int, int]:
    """Width and height of ``WxH`` that a network can take: multiples of 8."""
    width, height = size(text)
    if width % 8 or height % 8:
        raise ArgumentTypeError(f"{text!r} is not a size in multiples of 8, such as 512x256")
    return width, height


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
