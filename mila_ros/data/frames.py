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

    ``k`` of zeros (`NO_CALIBRATION`) says that the camera is not calibrated.
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
