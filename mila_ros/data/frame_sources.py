# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from a folder of images, a clip folder, a video file, a webcam or a bag, all alike."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from mila_ros.data.bag_source import BagSource
from mila_ros.data.bags import is_bag
from mila_ros.data.clip_folder import ClipFolder, is_clip_folder, list_images
from mila_ros.data.frames import Calibration, FrameSource, SourceError, SourceFrame
from mila_ros.data.image_encodings import RgbImage

FALLBACK_RATE_HZ = 10.0
"""The rate of frames whose rate nobody knows."""

# FFmpeg stays quiet: errors are ours to say. OpenCV reads this once, when it first uses FFmpeg.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_VIDEO_DEVICE = re.compile(r"(?:/dev/video)?(\d+)")


def open_source(spec: str | Path, *, topic: str = "", rate_hz: float = 0.0) -> FrameSource:
    """Open frames by what they are kept in.

    Args:
        spec: A folder of images, an image, a clip folder, a video file, a webcam (``0`` or
            ``/dev/video0``), or a bag (a rosbag2 folder, ``.mcap``, ``.db3``, or ROS 1 ``.bag``).
        topic: For a bag, the image topic; may be left out where there is only one.
        rate_hz: Frames a second; 0 takes the source's own.

    Raises:
        MilaError: There is no such thing, nothing in it is a frame, or the rate is no rate.
    """
    if not (math.isfinite(rate_hz) and 0 <= rate_hz <= 1000):
        raise SourceError(f"the rate must be from 0 (the source's own) to 1000 Hz, not {rate_hz}")
    rate = rate_hz or None
    path = Path(spec).expanduser()
    if topic and not is_bag(path):
        raise SourceError(f"a topic is for bags, and {spec} is none")
    device = _VIDEO_DEVICE.fullmatch(str(spec))
    if device and not path.is_file() and not path.is_dir():
        return WebcamSource(int(device[1]), rate)
    if not path.exists():
        raise SourceError(f"{spec} does not exist; give a folder of images, a video, a bag or 0")
    if is_bag(path):
        return BagSource(path, topic, rate)
    if path.is_dir():
        if is_clip_folder(path):
            return ClipSource(path, rate)
        return ImagesSource(path, list_images(path), rate)
    if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        return ImagesSource(path, [path], rate)
    return VideoSource(path, rate)


class ImagesSource:
    """JPEG and PNG files, one frame each, in the order given."""

    is_live = False
    frame_id = ""
    calibration: Calibration | None = None

    def __init__(self, path: Path, images: list[Path], rate_hz: float | None) -> None:
        if not images:
            raise SourceError(f"{path} holds no .jpg or .png images")
        self.name = f"{len(images)} images in {path}"
        self.images = images
        self.rate_hz, self.note = _rate(rate_hz, None, path)

    def __iter__(self) -> Iterator[SourceFrame]:
        for index, path in enumerate(self.images):
            try:
                encoded = path.read_bytes()
            except OSError as error:
                raise SourceError(f"{path} cannot be read: {error.strerror}") from error
            yield _frame_at(index, self.rate_hz, str(path), encoded=encoded)


class ClipSource(ImagesSource):
    """The images of a clip folder, with its rate and calibration."""

    def __init__(self, path: Path, rate_hz: float | None) -> None:
        clip = ClipFolder.open(path)
        super().__init__(path, list(clip.images), rate_hz or clip.fps)
        self.name = f"clip {path}, {len(clip)} frames of {clip.width}x{clip.height}"
        self.frame_id = clip.frame_id
        if clip.intrinsics is not None:
            self.calibration = Calibration.pinhole(clip.width, clip.height, clip.intrinsics)


class VideoSource:
    """A video file, decoded by OpenCV."""

    is_live = False
    frame_id = ""
    calibration: Calibration | None = None

    def __init__(self, path: Path, rate_hz: float | None) -> None:
        self.path = path
        with _capture(str(path), f"{path} is not a video, an image or a bag that can be read") as v:
            own = v.get(cv2.CAP_PROP_FPS)
            size = int(v.get(cv2.CAP_PROP_FRAME_WIDTH)), int(v.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.name = f"video {path} of {size[0]}x{size[1]}"
        self.rate_hz, self.note = _rate(rate_hz, own, path)

    def __iter__(self) -> Iterator[SourceFrame]:
        with _capture(str(self.path), f"{self.path} can no longer be read") as video:
            index = 0
            while True:
                success, bgr = video.read()
                if not success:
                    break
                origin = f"frame {index} of {self.path}"
                yield _frame_at(
                    index, self.rate_hz, origin, pixels=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                )
                index += 1
        if index == 0:
            raise SourceError(f"{self.path} is a video without a frame that can be decoded")


class WebcamSource:
    """A camera of this machine; its frames have the time of the machine's clock."""

    is_live = True
    frame_id = ""
    calibration: Calibration | None = None
    note = ""

    def __init__(self, number: int, rate_hz: float | None) -> None:
        self.number = number
        self.rate_hz = rate_hz
        self.name = f"webcam /dev/video{number}"
        if not Path(f"/dev/video{number}").exists():
            raise SourceError(f"there is no camera /dev/video{number}; plug it in, or give a file")

    def __iter__(self) -> Iterator[SourceFrame]:
        busy = f"the camera /dev/video{self.number} cannot be opened; is something else using it?"
        with _capture(self.number, busy) as camera:
            # Old frames are worth nothing: the driver keeps one, not its default of four.
            camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            if self.rate_hz:
                camera.set(cv2.CAP_PROP_FPS, self.rate_hz)
            index, first_ns = 0, 0
            while True:
                success, bgr = camera.read()
                stamp_ns = time.time_ns()
                if not success:
                    raise SourceError(f"the camera /dev/video{self.number} no longer gives frames")
                first_ns = first_ns or stamp_ns
                origin = f"frame {index} of /dev/video{self.number}"
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield SourceFrame(index, stamp_ns - first_ns, stamp_ns, origin, pixels=rgb)
                index += 1


def _rate(given: float | None, own: float | None, path: Path) -> tuple[float, str]:
    """The rate to use and a note where it is made up."""
    if given:
        return given, ""
    if own and math.isfinite(own) and 0 < own <= 1000:
        return own, ""
    return FALLBACK_RATE_HZ, (
        f"{path} does not say its frame rate; {FALLBACK_RATE_HZ:g} Hz is assumed, "
        "give a rate if that is wrong"
    )


def _frame_at(
    index: int,
    rate_hz: float,
    origin: str,
    *,
    encoded: bytes | None = None,
    pixels: RgbImage | None = None,
) -> SourceFrame:
    time_ns, end_ns = round(index * 1e9 / rate_hz), round((index + 1) * 1e9 / rate_hz)
    return SourceFrame(index, time_ns, end_ns, origin, encoded, pixels)


@contextmanager
def _capture(what: str | int, complaint: str) -> Iterator[cv2.VideoCapture]:
    """An open OpenCV capture; ``complaint`` is the error where it does not open."""
    with _silence():
        capture = cv2.VideoCapture(what)
    try:
        if not capture.isOpened():
            raise SourceError(complaint)
        yield capture
    finally:
        capture.release()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep OpenCV from printing all it tried; the error says it in one sentence."""
    logging = getattr(cv2.utils, "logging", None)  # not in OpenCV 4.5
    if logging is None:
        yield
        return
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
