# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pixels of image messages as rgb arrays, whoever's message objects they are.

A message is anything with the fields of ``sensor_msgs/Image``: rclpy's own, or what ``rosbags``
reads from a bag. Every image becomes rgb uint8 [H, W, 3]. The message is never written to, and
an rgb8 message is not even copied: the array is a view of its data, padded rows included, and
is not to be written to. Compressed images are in `compressed_images`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.errors import MilaError

MAX_PIXELS = 50_000_000
"""Largest accepted image, in pixels, where the caller names no other bound."""

MAX_SIDE = 32_768
"""Longest accepted side, in pixels; what is longer is a damaged header and not a picture."""

RgbImage = NDArray[np.uint8]


class ImageMessage(Protocol):
    """The fields of ``sensor_msgs/Image`` that are read here."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any  # a buffer of bytes with a length


class ImageError(MilaError):
    """A message that is not the image it says it is.

    ``cause`` is a short key to count by; the text is a sentence for the log.
    """

    def __init__(self, cause: str, sentence: str) -> None:
        super().__init__(sentence)
        self.cause = cause


@dataclass(frozen=True)
class _Encoding:
    """How the rows of an encoding lie in memory and how they become rgb.

    ``code`` is the OpenCV conversion, None where the channels are rgb already; ``rows`` the rows
    of data per two rows of the image (3 for nv12); ``blocks`` what width and height are
    multiples of.
    """

    channels: int
    code: int | None
    dtype: type[np.generic] = np.uint8
    rows: int = 2
    blocks: tuple[int, int] = (1, 1)

    @property
    def pixel_bytes(self) -> int:
        return self.channels * np.dtype(self.dtype).itemsize


# OpenCV names a Bayer pattern by the second row's second and third pixel, ROS by the first row's
# first two and the second row's: ROS's rggb is OpenCV's BG.
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}

_UYVY = _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, blocks=(2, 1))
_YUYV = _Encoding(2, cv2.COLOR_YUV2RGB_YUYV, blocks=(2, 1))

_ENCODINGS: dict[str, _Encoding] = {
    "rgb8": _Encoding(3, None),
    "bgr8": _Encoding(3, cv2.COLOR_BGR2RGB),
    "rgba8": _Encoding(4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Encoding(4, cv2.COLOR_BGRA2RGB),
    "mono8": _Encoding(1, cv2.COLOR_GRAY2RGB),
    "8UC1": _Encoding(1, cv2.COLOR_GRAY2RGB),
    "8UC3": _Encoding(3, cv2.COLOR_BGR2RGB),
    "8UC4": _Encoding(4, cv2.COLOR_BGRA2RGB),
    "rgb16": _Encoding(3, None, np.uint16),
    "bgr16": _Encoding(3, cv2.COLOR_BGR2RGB, np.uint16),
    "mono16": _Encoding(1, cv2.COLOR_GRAY2RGB, np.uint16),
    "16UC1": _Encoding(1, cv2.COLOR_GRAY2RGB, np.uint16),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": _Encoding(1, cv2.COLOR_YUV2RGB_NV12, rows=3, blocks=(2, 2)),
    "nv21": _Encoding(1, cv2.COLOR_YUV2RGB_NV21, rows=3, blocks=(2, 2)),
    **{f"bayer_{name}8": _Encoding(1, code) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": _Encoding(1, code, np.uint16) for name, code in _BAYER.items()},
}

ENCODINGS = tuple(_ENCODINGS)
"""The encodings read without cv_bridge."""


def check_image(message: ImageMessage, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageError if the message cannot be an image; costs microseconds.

    Causes: ``zero_size``, ``too_large``, ``odd_size``, ``unknown_encoding``, ``step_too_small``,
    ``data_too_short``, ``data_too_long``.
    """
    height, width, step = message.height, message.width, message.step
    check_size(width, height, max_pixels)
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        if _cv_bridge() is None:
            raise ImageError(
                "unknown_encoding",
                f"The encoding {message.encoding[:40]!r} is not read without cv_bridge, which is "
                f"not installed; publish one of {', '.join(ENCODINGS)}, or install cv_bridge.",
            )
        rows = height
    else:
        if width % encoding.blocks[0] or height % encoding.blocks[1]:
            raise ImageError(
                "odd_size",
                f"A {message.encoding} image comes in blocks of {encoding.blocks[0]}x"
                f"{encoding.blocks[1]} pixels, but this one is {width}x{height}.",
            )
        if step < width * encoding.pixel_bytes:
            raise ImageError(
                "step_too_small",
                f"A row of {width} {message.encoding} pixels takes {width * encoding.pixel_bytes} "
                f"bytes, but the message's step is {step}.",
            )
        rows = height * encoding.rows // 2
    if len(message.data) != rows * step:
        cause = "data_too_short" if len(message.data) < rows * step else "data_too_long"
        raise ImageError(
            cause,
            f"A {width}x{height} {message.encoding} image with a step of {step} takes "
            f"{rows * step} bytes, but the message holds {len(message.data)}.",
        )


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError (``zero_size``, ``too_large``) for a size that is not to be allocated."""
    if width < 1 or height < 1:
        raise ImageError("zero_size", f"The image's size is {width}x{height}.")
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            "too_large", f"The image's size is {width}x{height}; no side may exceed {MAX_SIDE}."
        )
    if width * height > max_pixels:
        raise ImageError(
            "too_large",
            f"The image's size is {width}x{height}, over the limit of {max_pixels} pixels; "
            "raise the limit (the parameter max_image_pixels) if that is the camera's size.",
        )


def image_to_rgb(message: ImageMessage, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Return the message's image as rgb uint8 [H, W, 3].

    16-bit values are divided by 256 (their high byte): fixed, so that brightness does not jump
    from frame to frame as it would with a scale taken from each image. A camera that puts 12
    bits into the low end of 16 is to be published as 8 bits, or shifted up by 4.

    Raises:
        ImageError: as in `check_image`, and ``conversion_failed`` from cv_bridge.
    """
    check_image(message, max_pixels)
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        return _with_cv_bridge(message)
    pixels = _view(message, encoding)
    if encoding.dtype is np.uint16:
        pixels = _high_byte(pixels, bool(message.is_bigendian))
    if encoding.code is None:
        return pixels
    return cv2.cvtColor(pixels, encoding.code)


def _view(message: ImageMessage, encoding: _Encoding) -> NDArray[np.uint8]:
    """The message's bytes as a view [rows, W, channels * bytes], without the padding."""
    rows = message.height * encoding.rows // 2
    data = np.frombuffer(message.data, np.uint8).reshape(rows, message.step)
    data = data[:, : message.width * encoding.pixel_bytes]
    if encoding.pixel_bytes == 1:
        return data
    return data.reshape(rows, message.width, encoding.pixel_bytes)


def _high_byte(pixels: NDArray[np.uint8], is_bigendian: bool) -> NDArray[np.uint8]:
    high = pixels[..., 0 if is_bigendian else 1 :: 2]
    return np.ascontiguousarray(high[..., 0] if high.shape[-1] == 1 else high)


def _cv_bridge() -> Callable[[], Any] | None:
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    return CvBridge


def _with_cv_bridge(message: ImageMessage) -> RgbImage:
    cv_bridge = _cv_bridge()
    assert cv_bridge is not None  # check_image() found it
    try:
        rgb: RgbImage = cv_bridge().imgmsg_to_cv2(message, "rgb8")
    except Exception as error:  # cv_bridge raises whatever its C++ side and OpenCV raise
        sentence = f"cv_bridge cannot convert the encoding {message.encoding[:40]!r} to rgb8."
        raise ImageError("conversion_failed", sentence) from error
    return rgb
