# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a message was taken, without deserialising it."""

from __future__ import annotations

from typing import Literal


def header_stamp_ns(data: bytes) -> int:
    """The stamp of a serialised message that begins with a std_msgs/Header, in nanoseconds."""
    order: Literal["little", "big"] = "little" if data[1] & 1 else "big"
    seconds = int.from_bytes(data[4:8], order, signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(data[8:12], order)
