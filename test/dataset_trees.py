# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files as the data sets' authors publish them, small."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def write_image(path: Path, height: int = 8, width: int = 16, value: int = 100) -> None:
    """A picture whose red is ``value``, green the column and blue the row."""
    rows, columns = np.mgrid[:height, :width]
    rgb = np.stack([np.full_like(rows, value), columns, rows], -1).astype(np.uint8)
    write_rgb(path, rgb)


def write_rgb(path: Path, rgb: NDArray[np.generic]) -> None:
    write_png(path, rgb[..., ::-1])


def write_png(path: Path, pixels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def write_palette_png(path: Path, ids: NDArray[np.uint8], colors: NDArray[np.uint8]) -> None:
    """A PNG of colour type 3, as PASCAL VOC and DAVIS have them; OpenCV writes none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = ids.shape
    rows = b"".join(b"\0" + row.tobytes() for row in ids)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", colors.tobytes())
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
