# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of data sets: images, label maps of every depth, MATLAB files; errors in one sentence."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.clip_folder import ClipError, read_image
from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.image_encodings import RgbImage


def read_rgb(path: Path) -> RgbImage:
    """An image as rgb uint8 [H, W, 3]; JPEG, PNG, or what else OpenCV reads (NYU's PPM).

    Raises:
        DatasetError: It is missing or damaged.
    """
    if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        try:
            return read_image(path)
        except ClipError as error:
            raise DatasetError(str(error)) from error
    pixels = _decode(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def read_map(path: Path, dtype: type[np.generic]) -> NDArray[Any]:
    """A PNG of one channel as it is, [H, W].

    Raises:
        DatasetError: It is missing or damaged, or has another depth or more channels.
    """
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.ndim != 2 or pixels.dtype != dtype:
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        raise DatasetError(
            f"{path} must be a {np.dtype(dtype).name} picture of one channel, "
            f"not {pixels.dtype.name} of {channels}"
        )
    return pixels


def read_channels(path: Path, dtype: type[np.generic]) -> NDArray[Any]:
    """A PNG of colours as it is, RGB [H, W, 3]; palettes come as their colours.

    Raises:
        DatasetError: It is missing or damaged, or has another depth or too few channels.
    """
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2 or pixels.dtype != dtype:
        raise DatasetError(
            f"{path} must be a colour picture of {np.dtype(dtype).name}, "
            f"not {pixels.dtype.name} of {1 if pixels.ndim == 2 else pixels.shape[2]} channels"
        )
    return np.ascontiguousarray(pixels[..., 2::-1])


def read_indexed(path: Path, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class ids from a PNG of one channel, or of a palette whose colours are ``colors``.

    Args:
        path: The file.
        colors: uint8 [N, 3], the colour of each id.

    Returns:
        uint8 [H, W]; 255 where the colour is none of these.
    """
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.dtype != np.uint8:
        raise DatasetError(f"{path} must be a picture of uint8, not {pixels.dtype.name}")
    return pixels if pixels.ndim == 2 else color_ids(pixels[..., 2::-1], colors)


def color_ids(rgb: NDArray[np.uint8], colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Ids uint8 [H, W] of colours uint8 [H, W, 3] by a list [N, 3]; 255 for another colour."""
    table = np.full(1 << 24, 255, np.uint8)
    table[_packed(colors)] = np.arange(len(colors), dtype=np.uint8)
    return table[_packed(rgb)]


def boundaries(ids: NDArray[np.generic]) -> NDArray[np.uint8]:
    """1 where the pixel to the right or below has another id, else 0; uint8 [H, W]."""
    edges = np.zeros(ids.shape, np.uint8)
    edges[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    edges[:-1] |= ids[:-1] != ids[1:]
    return edges


def matlab_reader(package: str, what: str) -> ModuleType:
    """The package that reads a kind of MATLAB file.

    Args:
        package: ``h5py`` (version 7.3) or ``scipy.io`` (older versions).
        what: The file, for the sentence.

    Raises:
        DatasetError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        name = package.partition(".")[0]
        raise DatasetError(f"{what} needs {name} to be read; run: pip install {name}") from error


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file older than version 7.3, structs as objects.

    Raises:
        DatasetError: scipy is not installed, or the file is missing or damaged.
    """
    reader = matlab_reader("scipy.io", str(path))
    try:
        content: dict[str, Any] = reader.loadmat(path, squeeze_me=True, struct_as_record=False)
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DatasetError(f"{path} cannot be read as a MATLAB file: {error}") from error
    return content


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, without spaces around them.

    Raises:
        DatasetError: It is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _packed(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    wide = rgb.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _decode(path: Path, flags: int) -> NDArray[Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if pixels is None:
        raise DatasetError(f"{path} is damaged or not an image")
    return pixels
