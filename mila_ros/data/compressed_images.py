# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG to rgb, with truncation found before OpenCV paints over it in grey."""

from __future__ import annotations

import re
import struct
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.image_encodings import MAX_PIXELS, ImageError, RgbImage, check_size

EncodedData = bytes | bytearray | memoryview | NDArray[np.uint8]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Inside the coded data 0xFF is followed by a stuffed 0, a restart marker or another 0xFF.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_END_OF_IMAGE = 0xD9


class CompressedImageMessage(Protocol):
    """The fields of ``sensor_msgs/CompressedImage`` that are read here."""

    format: str
    data: Any  # a buffer of bytes with a length


def encoded_size(data: EncodedData) -> tuple[int, int]:
    """Return (width, height) as the file's header has them, without decoding.

    Every JPEG segment is walked to the end-of-image marker: OpenCV decodes a JPEG that lost its
    end without an error, grey where the data is missing. What follows the marker (zeros from a
    UVC camera) is ignored. Data lost in the middle, with the end in place, is not found.

    Raises:
        ImageError: ``empty``, ``unknown_format`` (neither JPEG nor PNG), ``truncated``,
            ``corrupt``.
    """
    view = memoryview(data).cast("B")
    if not view:
        raise ImageError("empty", "The compressed image holds no data.")
    if view[:2] == b"\xff\xd8":
        return _jpeg_size(view)
    if view[:8] == _PNG_SIGNATURE:
        return _png_size(view)
    raise ImageError("unknown_format", "The compressed image is neither JPEG nor PNG.")


def decode_image(data: EncodedData, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Return a whole JPEG or PNG as rgb uint8 [H, W, 3], unrotated whatever its EXIF says.

    The size in the header is held against the limit before anything is decoded.

    Raises:
        ImageError: as in `encoded_size`, ``zero_size``, ``too_large``, and ``corrupt`` where the
            decoder fails.
    """
    size = encoded_size(data)
    check_size(*size, max_pixels)
    bgr = _decode_bgr(data, size)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)


def check_compressed(message: CompressedImageMessage, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageError, as in `decode_image`, if the data cannot be an image; decodes nothing."""
    check_size(*encoded_size(message.data), max_pixels)


def compressed_to_rgb(message: CompressedImageMessage, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Return the message's image as rgb uint8 [H, W, 3].

    ``format`` is read as image_transport writes it ("bgr8; jpeg compressed bgr8"): only what
    follows "compressed" matters, the channel order of what went into the encoder. With plain
    "jpeg" and "png" the file is in its own order.

    Raises:
        ImageError: as in `decode_image`.
    """
    rgb = decode_image(message.data, max_pixels)
    if "compressed rgb" in message.format:
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR, dst=rgb)
    return rgb


def _decode_bgr(data: EncodedData, size: tuple[int, int]) -> NDArray[np.uint8]:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        bgr = None
    if bgr is None or (bgr.shape[1], bgr.shape[0]) != size:
        raise ImageError("corrupt", "The compressed image is damaged: it cannot be decoded.")
    return bgr


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker == _END_OF_IMAGE:
            if size is None:
                raise ImageError("corrupt", "The JPEG holds no image.")
            return size
        if len(data) < position + 9:
            break
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = width, height
        position += struct.unpack_from(">H", data, position)[0]
    raise ImageError(
        "truncated", f"The JPEG ends after {len(data)} bytes, without its end-of-image marker."
    )


def _png_size(data: memoryview) -> tuple[int, int]:
    # The last chunk holds its length (0), its name and its checksum; padding may follow.
    if len(data) < 24 or b"IEND" not in bytes(data[-64:]):
        raise ImageError("truncated", f"The PNG ends after {len(data)} bytes, without its end.")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height
