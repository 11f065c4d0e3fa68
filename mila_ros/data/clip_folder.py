# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clip folder: a short video with what is known about its pixels, in plain files.

::

    CLIP/camera.json       width, height, fps (null: unknown), K, frame_id, depth, poses
    CLIP/image/NNNNNN.jpg  or .png
    CLIP/depth/NNNNNN.png  uint16, unit in camera.json ("depth"), 0 = unknown  (optional)
    CLIP/label/NNNNNN.png  uint8 class ids, named in labels.json               (optional)
    CLIP/motion/NNNNNN.png uint8: 0 static, 255 moving, 127 unknown            (optional)
    CLIP/labels.json       classes (names by id), void (the id of no class)    (with label/)

``camera.json`` may be missing; its width, height and fps may then stand in ``labels.json``.
``poses`` are camera-to-world matrices, one a frame. Maps have the names of their images.
`clip_writer` writes the same layout.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.clip_description import (
    WRITTEN_DEPTH_UNIT,
    ClipError,
    clip_classes,
    clip_fps,
    clip_matrix,
    clip_size,
    parse_depth_unit,
    read_bytes,
    read_json,
)
from mila_ros.data.compressed_images import decode_image, encoded_size
from mila_ros.data.image_encodings import ImageError, RgbImage

MOTION_VALUES = (0, 127, 255)
"""Static, unknown, moving."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class ClipFolder:
    """A clip folder; frames are read when they are asked for.

    Attributes:
        path: The folder.
        width: Width of every image and map.
        height: Height of every image and map.
        fps: Frames a second, None where unknown.
        intrinsics: float64 [3, 3], the matrix K in pixels, None where unknown.
        frame_id: Name of the camera's optical frame.
        metres_per_unit: What the values of ``depth/`` count, None where not said.
        poses: Camera to world, float64 [N, 4, 4], None where unknown.
        classes: Class names by id; empty without labels.
        images: The image files in natural order.
    """

    path: Path
    width: int
    height: int
    fps: float | None
    intrinsics: NDArray[np.float64] | None
    frame_id: str
    metres_per_unit: float | None
    poses: NDArray[np.float64] | None
    classes: tuple[str, ...]
    void_id: int
    images: tuple[Path, ...]

    @classmethod
    def open(cls, path: str | Path) -> ClipFolder:
        """Read what the folder says about itself.

        Raises:
            ClipError: No such folder, no images, or a JSON file that contradicts the layout.
        """
        path = Path(path)
        images = tuple(list_images(path / "image"))
        if not images:
            raise ClipError(f"{path} is not a clip folder: it has no .jpg or .png in image/")
        labels = read_json(path / "labels.json")
        camera = read_json(path / "camera.json")
        classes, void_id = clip_classes(path / "labels.json", labels)
        where = path / ("camera.json" if camera else "labels.json")
        head = camera or labels
        width, height = clip_size(where, head, images[0])
        unit = camera.get("depth")
        return cls(
            path=path,
            width=width,
            height=height,
            fps=clip_fps(where, head.get("fps")),
            intrinsics=clip_matrix(where, camera, "K", (3, 3)),
            frame_id=str(camera.get("frame_id") or "camera_optical"),
            metres_per_unit=None if unit is None else parse_depth_unit(unit, where),
            poses=clip_matrix(where, camera, "poses", (len(images), 4, 4)),
            classes=classes,
            void_id=void_id,
            images=images,
        )

    def __len__(self) -> int:
        return len(self.images)

    def encoded(self, index: int) -> bytes:
        """The JPEG or PNG file of a frame, as it is."""
        return read_bytes(self.images[index])

    def image(self, index: int) -> RgbImage:
        """The image as rgb uint8 [H, W, 3].

        Raises:
            ClipError: It cannot be read, or has another size than the clip.
        """
        return self._checked(self.images[index], read_image(self.images[index]))

    def depth(self, index: int) -> NDArray[np.float32] | None:
        """Metres, float32 [H, W], NaN where unknown; None without a map for this frame.

        Raises:
            ClipError: Not a uint16 PNG of the clip's size, or ``camera.json`` names no unit.
        """
        raw = self._map("depth", index, np.uint16)
        if raw is None:
            return None
        if self.metres_per_unit is None:
            raise ClipError(
                f"{self.path} has depth maps, but its camera.json does not say their unit; "
                f'add "depth": "{WRITTEN_DEPTH_UNIT}" (or the unit they have)'
            )
        metres = raw.astype(np.float32) * np.float32(self.metres_per_unit)
        metres[raw == 0] = np.nan
        return metres

    def label(self, index: int) -> NDArray[np.uint8] | None:
        """Class ids, uint8 [H, W], 255 without a class; None without a map for this frame.

        Raises:
            ClipError: Not a uint8 PNG of the clip's size, or an id that ``labels.json`` lacks.
        """
        ids = self._map("label", index, np.uint8)
        if ids is None:
            return None
        no_class = (ids == self.void_id) | (ids == 255)
        unknown = ids[(ids >= len(self.classes)) & ~no_class]
        if unknown.size:
            raise ClipError(
                f"{self._map_path('label', index)} holds class id {unknown[0]}, "
                f"but labels.json names {len(self.classes)} classes"
            )
        ids[no_class] = 255
        return ids

    def motion(self, index: int) -> NDArray[np.uint8] | None:
        """0 static, 255 moving, 127 unknown, uint8 [H, W]; None without a map for this frame.

        Raises:
            ClipError: Not a uint8 PNG of the clip's size, or another value in it.
        """
        motion = self._map("motion", index, np.uint8)
        if motion is not None and not np.isin(motion, MOTION_VALUES).all():
            path = self._map_path("motion", index)
            raise ClipError(f"{path} holds values other than 0, 127 and 255")
        return motion

    def _map_path(self, kind: str, index: int) -> Path:
        return self.path / kind / f"{self.images[index].stem}.png"

    def _map(self, kind: str, index: int, dtype: type[np.generic]) -> NDArray[Any] | None:
        path = self._map_path(kind, index)
        if not path.is_file():
            return None
        data = np.frombuffer(read_bytes(path), np.uint8)
        pixels = None
        with suppress(ImageError):
            self._check_size(path, *encoded_size(data))  # before a few bytes become gigabytes
            pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise ClipError(f"{path} is damaged or not an image")
        if pixels.dtype != dtype or pixels.ndim != 2:
            raise ClipError(
                f"{path} must be a {np.dtype(dtype).name} picture of one channel, "
                f"not {pixels.dtype.name} of {1 if pixels.ndim == 2 else pixels.shape[2]}"
            )
        return pixels

    def _checked(self, path: Path, pixels: NDArray[Any]) -> NDArray[Any]:
        self._check_size(path, pixels.shape[1], pixels.shape[0])
        return pixels

    def _check_size(self, path: Path, width: int, height: int) -> None:
        if (width, height) != (self.width, self.height):
            raise ClipError(
                f"{path} is {width}x{height}, but the clip is {self.width}x{self.height}"
            )


def is_clip_folder(path: Path) -> bool:
    """Whether the folder has the layout's one necessary part, images in ``image/``."""
    return any(True for _ in list_images(path / "image"))


def list_images(folder: Path) -> list[Path]:
    """The JPEG and PNG files of a folder in natural order (frame2 before frame10)."""
    if not folder.is_dir():
        return []
    files = (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    files = (file for file in files if file.is_file())  # a pipe would be waited for
    return sorted(files, key=lambda file: _natural(file.name))


def read_image(path: Path) -> RgbImage:
    """A JPEG or PNG file as rgb uint8 [H, W, 3].

    Raises:
        ClipError: It cannot be read.
    """
    try:
        return decode_image(read_bytes(path))
    except ImageError as error:
        raise ClipError(f"{path} cannot be read. {error}") from error


def _natural(name: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]
