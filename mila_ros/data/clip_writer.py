# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes clip folders, the layout that `clip_folder` describes and reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.clip_folder import WRITTEN_DEPTH_UNIT, ClipError
from mila_ros.data.image_encodings import RgbImage


class ClipWriter:
    """Writes a clip folder frame by frame; ``camera.json`` is written at the end.

    Args:
        path: A folder that does not exist yet, or is empty.
        fps: Frames a second, None where unknown.
        intrinsics: The matrix K [3, 3], None where unknown.
        frame_id: Name of the camera's optical frame.
        classes: Class names by id, for labels.
        jpeg_quality: 0..100 for JPEG images, None writes them as PNG.

    Raises:
        ClipError: The folder holds something already.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: float | None,
        intrinsics: NDArray[np.float64] | None = None,
        frame_id: str = "camera_optical",
        classes: tuple[str, ...] = (),
        jpeg_quality: int | None = 95,
    ) -> None:
        self.path = Path(path)
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ClipError(f"{self.path} exists already; choose another folder or remove it")
        self.fps, self.intrinsics, self.frame_id = fps, intrinsics, frame_id
        self.classes, self.jpeg_quality = classes, jpeg_quality
        self._frames = 0
        self._size: tuple[int, int] | None = None
        self._has_depth = False
        self._poses: list[list[list[float]]] = []

    def add(
        self,
        image: RgbImage,
        *,
        depth: NDArray[np.float32] | None = None,
        label: NDArray[np.uint8] | None = None,
        motion: NDArray[np.uint8] | None = None,
        pose: NDArray[np.float64] | None = None,
    ) -> None:
        """Append a frame.

        Args:
            image: rgb uint8 [H, W, 3].
            depth: Metres, float32 [H, W]; what is not finite, or over 255.99, is unknown.
            label: Class ids, uint8 [H, W], 255 without a class.
            motion: 0 static, 255 moving, 127 unknown, uint8 [H, W].
            pose: Camera to world [4, 4]; for all frames or none.

        Raises:
            ClipError: A size that differs from the first image's, or a file not writable.
        """
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if self.jpeg_quality is None:
            self._write("image", ".png", bgr)
        else:
            self._write("image", ".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
        if depth is not None:
            units = np.rint(np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0) * 256.0)
            units[(units < 0) | (units > 65535)] = 0
            self._write("depth", ".png", units.astype(np.uint16))
            self._has_depth = True
        if label is not None:
            self._write("label", ".png", label)
        if motion is not None:
            self._write("motion", ".png", motion)
        if pose is not None:
            self._poses.append(np.asarray(pose, np.float64).tolist())
        self._frames += 1

    def close(self) -> None:
        """Write ``camera.json`` and, with classes, ``labels.json``.

        Raises:
            ClipError: Without a frame, with poses for some frames only, or when pictures are gone.
        """
        if self._size is None:
            raise ClipError(f"{self.path} would be a clip without a frame")
        if self._poses and len(self._poses) != self._frames:
            raise ClipError(f"{len(self._poses)} poses were given for {self._frames} frames")
        if len(list((self.path / "image").iterdir())) != self._frames:
            raise ClipError(
                f"{self.path} was changed while it was written; is the same command running twice?"
            )
        camera: dict[str, object] = {
            "width": self._size[0],
            "height": self._size[1],
            "fps": self.fps,
            "K": None if self.intrinsics is None else np.asarray(self.intrinsics).tolist(),
            "frame_id": self.frame_id,
        }
        if self._has_depth:
            camera["depth"] = WRITTEN_DEPTH_UNIT
        if self._poses:
            camera["poses"] = self._poses
        (self.path / "camera.json").write_text(json.dumps(camera) + "\n")
        if self.classes:
            labels = {"classes": list(self.classes), "void": 255}
            (self.path / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def _write(
        self, kind: str, suffix: str, pixels: NDArray[Any], options: Sequence[int] = ()
    ) -> None:
        path = self.path / kind / f"{self._frames:06d}{suffix}"
        height, width = pixels.shape[:2]
        if self._size is None:
            self._size = width, height
        elif self._size != (width, height):
            raise ClipError(
                f"{path} would be {width}x{height}, but the clip is {self._size[0]}x{self._size[1]}"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(suffix, pixels, options)[1].tobytes())
        except OSError as error:
            raise ClipError(f"{path} cannot be written: {error.strerror}") from error
