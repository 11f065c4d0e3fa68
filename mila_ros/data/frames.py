# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every source of frames has in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.compressed_images import decode_image, encoded_size
from mila_ros.data.image_encodings import ImageError, RgbImage
from mila_ros.errors import MilaError

NO_CALIBRATION = (0.0,) * 9


class SourceError(MilaError):
    """A source of frames that cannot be opened or read on."""


@dataclass(frozen=True)
class Calibration:
    """A camera's calibration, field by field as in ``sensor_msgs/CameraInfo``.

    It is of images of ``width`` x ``height``: a region of interest and binning are worked into
    the matrices. ``k`` of zeros (`NO_CALIBRATION`) says that the camera is not calibrated.
    """

    width: int
    height: int
    k: tuple[float, ...]
    p: tuple[float, ...]
    r: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    d: tuple[float, ...] = (0.0,) * 5
    distortion_model: str = "plumb_bob"

    @classmethod
    def pinhole(cls, width: int, height: int, intrinsics: NDArray[np.float64]) -> Calibration:
        """An undistorted camera with the matrix K [3, 3]."""
        projection = np.hstack([intrinsics, np.zeros((3, 1))])
        return cls(width, height, tuple(intrinsics.ravel()), tuple(projection.ravel()))

    def matrix(self, width: int, height: int) -> NDArray[np.float64] | None:
        """The pinhole [3, 3] of the rectified image at this size, None where nothing is known.

        P's, which is that of the rectified image, and K's where P is empty.
        """
        for values, columns in ((self.p, 4), (self.k, 3)):
            if len(values) != 3 * columns:
                continue
            rows = np.array(values).reshape(3, columns)
            numbers = rows[[0, 1, 0, 1], [0, 1, 2, 2]]
            if np.isfinite(numbers).all() and (numbers[:2] > 0).all():
                scale = np.array([width / (self.width or width), height / (self.height or height)])
                (fx, fy), (cx, cy) = numbers[:2] * scale, numbers[2:] * scale
                return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        return None


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source, decoded or as the JPEG or PNG file it is kept as.

    Attributes:
        index: Number of the frame in its source, from 0.
        time_ns: When it is due, nanoseconds after the source's first frame.
        stamp_ns: When it was taken, as its source says; without a clock in the source, the
            end of its interval, so that it is never 0, which ROS takes for "not set".
        origin: What to name in an error: a file, or a topic and a number.
        encoded: The JPEG or PNG file, None where there is none.
        pixels: rgb uint8 [H, W, 3], None where there is a file to decode.
    """

    index: int
    time_ns: int
    stamp_ns: int
    origin: str
    encoded: bytes | None = None
    pixels: RgbImage | None = None

    def rgb(self) -> RgbImage:
        """The image as rgb uint8 [H, W, 3]; decodes every time it is asked.

        Raises:
            SourceError: The file is damaged.
        """
        if self.pixels is not None:
            return self.pixels
        assert self.encoded is not None
        try:
            return decode_image(self.encoded)
        except ImageError as error:
            raise SourceError(f"{self.origin} cannot be read. {error}") from error

    def size(self) -> tuple[int, int]:
        """Width and height, without decoding.

        Raises:
            SourceError: The file is damaged.
        """
        if self.pixels is not None:
            return self.pixels.shape[1], self.pixels.shape[0]
        assert self.encoded is not None
        try:
            return encoded_size(self.encoded)
        except ImageError as error:
            raise SourceError(f"{self.origin} cannot be read. {error}") from error

    @property
    def format(self) -> str:
        """``jpeg`` or ``png``, what ``encoded`` is; empty without it."""
        if self.encoded is None:
            return ""
        return "png" if self.encoded.startswith(b"\x89PNG") else "jpeg"


class FrameSource(Protocol):
    """A video; iterating over it again starts it again, and holds one frame at a time.

    Attributes:
        name: What it is, for people.
        rate_hz: Frames a second, None where every frame has its own time (a bag, a webcam).
        frame_id: Name of the camera's optical frame, empty where unknown.
        calibration: None where unknown.
        is_live: Frames come when they are taken, not when they are asked for.
        note: What people should know about it (an assumed rate), empty if nothing.
    """

    name: str
    frame_id: str
    calibration: Calibration | None
    is_live: bool
    note: str

    @property
    def rate_hz(self) -> float | None: ...

    def __iter__(self) -> Iterator[SourceFrame]: ...
