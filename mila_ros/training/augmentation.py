# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How pictures are varied: the same way for all frames of a sample, and their maps with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.clip_maps import NEAREST


@dataclass(frozen=True)
class View:
    """A part of a picture, resized, perhaps mirrored.

    Attributes:
        top, left, height, width: The part, in pixels of the picture.
        size: Height and width of the result.
        flip: Whether left and right are exchanged.
    """

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]
    flip: bool

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        picture: tuple[int, int],
        size: tuple[int, int],
        zoom: tuple[float, float],
    ) -> View:
        """A view of ``size`` at a zoom drawn log-uniformly, raised to where the picture is enough.

        Args:
            rng: Where chance comes from.
            picture: Height and width of the pictures.
            size: Height and width of the view.
            zoom: Smallest and largest factor.
        """
        needed = max(size[0] / picture[0], size[1] / picture[1])
        low, high = max(zoom[0], needed), max(zoom[1], needed)
        factor = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        height = min(round(size[0] / factor), picture[0])
        width = min(round(size[1] / factor), picture[1])
        return cls(
            top=int(rng.integers(0, picture[0] - height + 1)),
            left=int(rng.integers(0, picture[1] - width + 1)),
            height=height,
            width=width,
            size=size,
            flip=bool(rng.random() < 0.5),
        )

    @property
    def zoom(self) -> float:
        """Factor by which a focal length grows."""
        return self.size[1] / self.width

    def picture(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Of an image [H, W, 3]."""
        return self._cut(picture, cv2.INTER_AREA if self.zoom < 1 else cv2.INTER_LINEAR)

    def map(self, values: NDArray[Any]) -> NDArray[Any]:
        """Of a map [H, W], whose values are not mixed."""
        return self._cut(values, NEAREST)

    def vectors(self, normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of directions [H, W, 3] whose first component points right."""
        cut = self._cut(normals, NEAREST)
        return cut * np.float32([-1, 1, 1]) if self.flip else cut

    def _cut(self, values: NDArray[Any], interpolation: int) -> NDArray[Any]:
        part = values[self.top : self.top + self.height, self.left : self.left + self.width]
        part = cv2.resize(part, self.size[::-1], interpolation=interpolation)
        return part[:, ::-1] if self.flip else part


def disturb(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colours, light, blur, resolution and noise of images [frames, H, W, 3].

    What cameras and weather do, and more of it than they do: what a network learns of a simulated
    world must not hang on how that world looks. The same for all frames, but for the noise.
    """
    out = _colours(images, rng)
    if rng.random() < 0.3:
        out = _uneven_light(out, rng)
    if rng.random() < 0.35:
        sigma = float(rng.uniform(0.4, 1.4))
        out = np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in out])
    if rng.random() < 0.2:
        out = _coarser(out, rng)
    if rng.random() < 0.35:
        noise = rng.normal(0, rng.uniform(2, 12), out.shape[1:]).astype(np.int16)
        out = np.stack(
            [np.clip(image + np.roll(noise, 37 * n, 1), 0, 255) for n, image in enumerate(out)]
        ).astype(np.uint8)
    return out


def _colours(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gain, gamma, colour cast, haze, fading and a shift of hues."""
    levels = np.arange(256, dtype=np.float32) / 255
    gain = np.exp(rng.normal(0, 0.15, 3) + rng.normal(0, 0.25))
    table = levels[:, None] ** np.exp(rng.normal(0, 0.3)) * gain
    if rng.random() < 0.25:  # haze, or light in the lens: blacks become bright
        lift = rng.uniform(0, 0.35)
        table = table * (1 - lift) + lift
    table = (np.clip(table, 0, 1) * 255).astype(np.uint8)
    out = np.stack([cv2.LUT(image, table[None]) for image in images])
    mixing = np.eye(3, dtype=np.float32)
    if rng.random() < 0.3:  # towards grey, or past the colours as they are
        keep = np.float32(rng.uniform(0, 1.5))
        mixing = mixing * keep + np.float32([0.299, 0.587, 0.114]) * (1 - keep)
    if rng.random() < 0.3:  # rows that sum to one leave grey grey
        shift = rng.normal(0, 0.25, (3, 3)).astype(np.float32)
        mixing = (np.eye(3, dtype=np.float32) + shift - shift.mean(1, keepdims=True)) @ mixing
    if (mixing != np.eye(3)).any():
        out = np.stack([cv2.transform(image, mixing) for image in out])
    return out


def _uneven_light(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Soft shadows and glare that stay where they are in the picture, as those of a lens do."""
    height, width = images.shape[1:3]
    cells = rng.normal(0, 0.35, (int(rng.integers(2, 5)), int(rng.integers(2, 7))))
    field = cv2.resize(cells.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    factor = np.exp(field)[..., None]
    return np.clip(images * factor, 0, 255).astype(np.uint8)


def _coarser(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As if seen by a camera of fewer pixels and enlarged."""
    height, width = images.shape[1:3]
    factor = rng.uniform(0.4, 0.9)
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.stack(
        [
            cv2.resize(
                cv2.resize(image, small, interpolation=cv2.INTER_AREA),
                (width, height),
                interpolation=cv2.INTER_LINEAR,
            )
            for image in images
        ]
    )
