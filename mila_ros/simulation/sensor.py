# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What lens, sensor and compression do to a clean picture: drawn once a clip, steady within it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Light = NDArray[np.floating[Any]]

_DISPLAY_GAMMA = 2.2
_LARGEST_DRIFT = 1.5  # in stops


class Sensor:
    """A camera's imperfections. A frame's noise depends on seed and frame index alone.

    The exposure is set so that the first picture comes out at some mean brightness, as a camera
    does, then drifts, and in some clips jumps once.

    Args:
        seed: Of the world.
        first: The clean picture at the clip's start, uint8 [H, W, 3].
        outdoors: Whether it may rain.
    """

    def __init__(self, seed: int, first: Image, outdoors: bool = True) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 7])
        height, width = first.shape[:2]
        brightness = float(np.mean((first.astype(np.float32) / 255) ** _DISPLAY_GAMMA))
        wanted = rng.uniform(0.1, 0.34)
        # Half-way to the wanted brightness: night stays darker than noon.
        self.stops = 0.6 * np.log2(wanted / max(brightness, 0.01)) + rng.normal(0, 0.3)
        self.drift = rng.normal(0, 0.02) if rng.random() < 0.5 else 0.0
        self.jump_at = int(rng.integers(3, 12)) if rng.random() < 0.15 else None
        self.jump = rng.normal(0, 0.5)
        self.white = np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
        self.gamma = rng.uniform(0.85, 1.2)
        self.saturation, self.contrast = rng.uniform(0.5, 1.25), rng.uniform(0.8, 1.25)
        self.lift = rng.uniform(0, 0.08) if rng.random() < 0.4 else 0.0
        self.read_noise = rng.uniform(0, 0.012) if rng.random() < 0.6 else 0.0
        self.shot_noise = rng.uniform(0, 0.016)
        self.blur_px = rng.uniform(0.3, 1.0) * width / 512 if rng.random() < 0.6 else 0.0
        self.sharpen = rng.uniform(0.2, 0.8) if rng.random() < 0.25 else 0.0
        self.glare = rng.uniform(0.02, 0.12) if rng.random() < 0.3 else 0.0
        self.fringe = rng.normal(0, 0.0012) if rng.random() < 0.3 else 0.0
        self.rain = rng.uniform(0.02, 0.1) if rng.random() < 0.08 and outdoors else 0.0
        self.jpeg_quality = int(rng.uniform(35, 95)) if rng.random() < 0.6 else None
        self._x, self._y = (
            np.ascontiguousarray(axis, np.float32)
            for axis in np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
        )
        radius2 = (self._x**2 + self._y**2) / ((width**2 + height**2) / 4)
        self._vignette = (1 - rng.uniform(0, 0.35) * radius2)[..., None]

    def __call__(self, image: Image, index: int) -> Image:
        """What the camera gives of frame ``index``: rgb uint8 [H, W, 3] from the same."""
        rng = np.random.default_rng([self.seed, 8, index])
        # Some end, so that long clips are not lost in black or white.
        stops = self.stops + float(np.clip(self.drift * index, -_LARGEST_DRIFT, _LARGEST_DRIFT))
        if self.jump_at is not None and index >= self.jump_at:
            stops += self.jump
        light: Light = (image.astype(np.float32) / 255) ** np.float32(_DISPLAY_GAMMA)
        light *= self._vignette * (np.float32(2.0**stops) * self.white)
        light = self._through_lens(light)
        if self.rain:
            light = _rain(rng, light, self.rain)
        sigma = np.sqrt(self.read_noise**2 + self.shot_noise**2 * light)
        light += sigma.astype(np.float32) * rng.standard_normal(light.shape, np.float32)
        # A soft shoulder, so that what is bright does not clip at once.
        light = np.clip(light, 0, None)
        light = np.where(light > 0.7, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3), light)
        shown = light ** np.float32(self.gamma / _DISPLAY_GAMMA)
        grey = shown.mean(-1, keepdims=True)
        shown = (grey + (shown - grey) * self.saturation - 0.5) * self.contrast + 0.5
        if self.sharpen:
            shown += self.sharpen * (shown - cv2.GaussianBlur(shown, (0, 0), 1.0))
        shown = self.lift + (1 - self.lift) * shown
        result = (np.clip(shown, 0, 1) * 255).astype(np.uint8)
        if self.jpeg_quality is not None:
            result = _as_jpeg(result, self.jpeg_quality)
        return result

    def _through_lens(self, light: Light) -> Light:
        """Blur, glare and colour fringes."""
        height, width = light.shape[:2]
        if self.blur_px:
            light = cv2.GaussianBlur(light, (0, 0), self.blur_px)
        if self.glare:
            small = cv2.resize(light, (max(width // 8, 1), max(height // 8, 1)))
            wide = cv2.GaussianBlur(small, (0, 0), 6)
            light = light + self.glare * cv2.resize(wide, (width, height))
        if self.fringe:
            light = light.copy()
            for channel, scale in ((0, 1 + self.fringe), (2, 1 - self.fringe)):
                x = (self._x * scale + width / 2).astype(np.float32)
                y = (self._y * scale + height / 2).astype(np.float32)
                plane = np.ascontiguousarray(light[..., channel])
                light[..., channel] = cv2.remap(
                    plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
                )
        return light


def _rain(rng: np.random.Generator, light: Light, strength: float) -> Light:
    """Streaks of falling rain, others in every frame."""
    height, width = light.shape[:2]
    streaks = np.zeros((height, width), np.float32)
    for x, y in rng.integers(0, [width, height], (width // 3, 2)):
        reach = int(rng.integers(4, 14) * height / 256) + 1
        cv2.line(streaks, (int(x), int(y)), (int(x) + reach // 5, int(y) + reach), 1.0, 1)
    return light + strength * cv2.GaussianBlur(streaks, (0, 0), 0.6)[..., None]


def _as_jpeg(image: Image, quality: int) -> Image:
    """The picture after JPEG's losses."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
