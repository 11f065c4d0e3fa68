# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What surfaces look like: grounds, walls, cloth and wood, as rgb uint8 [H, W, 3] from a seed."""

from __future__ import annotations

import colorsys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Random = np.random.Generator


def value_noise(
    rng: Random, height: int, width: int, cells: int = 4, octaves: int = 6, gain: float = 0.55
) -> Floats:
    """Fractal noise in 0..1, float32 [H, W], that tiles; ``cells`` along a side to begin with."""
    total = np.zeros((height, width), np.float32)
    amplitude = 1.0
    for octave in range(octaves):
        n = cells * 2**octave
        if n > max(height, width):
            break
        grid = np.pad(rng.random((n, n), dtype=np.float32), 2, mode="wrap")
        size = ((n + 4) * width // n, (n + 4) * height // n)
        large = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
        top, left = 2 * height // n, 2 * width // n
        total += amplitude * large[top : top + height, left : left + width]
        amplitude *= gain
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def hsv(hue: float, saturation: float, value: float) -> Floats:
    """An RGB colour in 0..1; the hue wraps, the others are clipped."""
    s, v = np.clip([saturation, value], 0, 1)
    return np.array(colorsys.hsv_to_rgb(hue % 1, s, v), np.float32)


def blend(amount: Floats, low: Floats, high: Floats) -> Floats:
    """Colours from ``low`` to ``high`` [H, W, 3] by an amount in 0..1 [H, W]."""
    return low + (high - low) * amount[..., None]


def to_uint8(image: Floats) -> Image:
    """0..1 as 0..255."""
    return np.ascontiguousarray((np.clip(image, 0, 1) * 255).astype(np.uint8))


def grain(rng: Random, shape: tuple[int, ...]) -> Floats:
    """White noise of deviation 1."""
    return rng.standard_normal(shape, dtype=np.float32)


def ground(rng: Random, kind: str, size: int = 256) -> Image:
    """A square of ``asphalt``, ``grass``, ``dirt`` or ``slabs``."""
    noise = value_noise(rng, size, size, int(rng.integers(2, 9)), 7, rng.uniform(0.5, 0.85))
    speckle = grain(rng, (size, size, 1))
    if kind == "asphalt":
        value = rng.uniform(0.24, 0.55)
        image = blend(noise, np.full(3, value * 0.85), np.full(3, value * 1.1)) + 0.03 * speckle
        return to_uint8(image * (1 + rng.uniform(-0.04, 0.04, 3)))
    if kind == "grass":
        hue = rng.uniform(0.17, 0.32)
        low, high = hsv(hue, 0.55, 0.28), hsv(hue - 0.06, rng.uniform(0.3, 0.6), 0.62)
        return to_uint8(blend(noise, low, high) + 0.06 * speckle)
    if kind == "dirt":
        hue = rng.uniform(0.05, 0.12)
        return to_uint8(blend(noise, hsv(hue, 0.45, 0.3), hsv(hue, 0.35, 0.65)) + 0.04 * speckle)
    value = rng.uniform(0.42, 0.78)
    image = blend(noise, np.full(3, value * 0.9), np.full(3, value * 1.05)) + 0.02 * speckle
    image *= 1 + rng.uniform(-0.06, 0.06, 3)
    count = int(rng.choice([2, 4, 8]))
    step = size // count
    image *= np.repeat(np.repeat(rng.uniform(0.88, 1.1, (count, count)), step, 0), step, 1)[
        ..., None
    ]
    image[::step] *= 0.7
    image[:, ::step] *= 0.7
    return to_uint8(image)


def foliage(rng: Random, size: int = 128) -> Image:
    """Leaves from near: green mostly, at times those of autumn."""
    hue = rng.uniform(0.19, 0.36) if rng.random() < 0.85 else rng.uniform(0.03, 0.16)
    noise = value_noise(rng, size, size, 8, 5, 0.9)
    leaves = cv2.GaussianBlur(grain(rng, (size, size)), (0, 0), 1.1)
    noise = np.clip(noise + 0.5 * leaves, 0, 1)
    bright = hsv(hue - 0.04, rng.uniform(0.3, 0.7), rng.uniform(0.45, 0.8))
    return to_uint8(blend(noise, hsv(hue, 0.7, rng.uniform(0.08, 0.2)), bright))


def bark(rng: Random, size: int = 64) -> Image:
    """Bark, grey to brown, its cracks upright."""
    noise = cv2.resize(value_noise(rng, size, size, 4, 4), (size, size * 4))[:size]
    color = hsv(rng.uniform(0.05, 0.11), rng.uniform(0.1, 0.45), rng.uniform(0.3, 0.65))
    stripes = value_noise(rng, 8, size, 8, 2).repeat(size // 8, 0)
    return to_uint8(blend(0.5 * noise + 0.5 * stripes, color * 0.5, color * 1.1))


def bricks(rng: Random, size: int = 128) -> Image:
    """Brickwork of sixteen courses."""
    color = hsv(rng.uniform(0, 0.09), rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.75))
    noise = value_noise(rng, size, size, 3)
    image = blend(noise, color * 0.85, color * 1.1)
    course, length = size // 16, size // 8
    for row in range(16):
        start = row % 2 * length // 2
        rows = slice(row * course, (row + 1) * course)
        for column in range(start, size + start, length):
            image[rows, column % size : column % size + length] *= rng.uniform(0.85, 1.12)
            image[rows, column % size] = 0.6
        image[row * course] = 0.6
    return to_uint8(image)


def planks(rng: Random, size: int = 128) -> Image:
    """Upright boards, painted or bare."""
    color = hsv(rng.uniform(0.04, 0.12), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.85))
    if rng.random() < 0.3:
        color = hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.4, 0.95))
    image = wood_grain(rng, size, color).transpose(1, 0, 2).copy()
    count = int(rng.choice([8, 16]))
    width = size // count
    image *= np.repeat(rng.uniform(0.8, 1.1, count), width)[None, :, None]
    image[:, ::width] *= 0.35
    return to_uint8(image)


def wood_grain(rng: Random, size: int, color: Floats) -> Floats:
    """Wood in a colour, float32, its grain along the image's width."""
    coarse = value_noise(rng, size, 16, 2, 4)
    fine: Floats = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return blend(fine, color * 0.72, color * 1.1)


def wood(rng: Random, size: int = 128) -> Image:
    """Wood of furniture and floors."""
    color = hsv(rng.uniform(0.04, 0.11), rng.uniform(0.25, 0.7), rng.uniform(0.25, 0.85))
    return to_uint8(wood_grain(rng, size, color))


def cloth(rng: Random, size: int = 64) -> Image:
    """Cloth: plain, striped, checked or printed."""
    color = random_color(rng)
    image = blend(value_noise(rng, size, size, 4, 5, 0.8), color * 0.75, color * 1.1)
    kind = rng.choice(["plain", "stripes", "checks", "print"], p=[0.55, 0.2, 0.12, 0.13])
    other = random_color(rng)
    step = int(rng.choice([4, 8, 16]))
    stripes = (np.arange(size) // step) % 2 == 0
    if kind in ("stripes", "checks"):
        image[stripes] = 0.6 * other + 0.4 * image[stripes]
    if kind == "checks":
        image[:, stripes] = 0.5 * other + 0.5 * image[:, stripes]
    if kind == "print":
        image[size // 4 : size // 2, size // 4 : -size // 4] = other
    return to_uint8(image + 0.02 * grain(rng, image.shape))


def paint(rng: Random, size: int = 128) -> Image:
    """A painted inside wall: nearly plain, pale more often than not."""
    saturation = rng.uniform(0, 0.15) if rng.random() < 0.65 else rng.uniform(0.15, 0.6)
    color = hsv(rng.random(), saturation, rng.uniform(0.45, 0.98))
    noise = value_noise(rng, size, size, 2, 6)
    image = blend(noise, color * 0.94, color * 1.03)
    if rng.random() < 0.25:
        pattern = (np.arange(size) // int(rng.choice([4, 8, 16]))) % 2 == 0
        image[:, pattern] = np.clip(image[:, pattern] * rng.uniform(0.8, 1.15), 0, 1)
    return to_uint8(image)


def random_color(rng: Random) -> Floats:
    """Any colour, as of cars and clothes: as often grey, black or white as bright."""
    if rng.random() < 0.5:
        return hsv(rng.random(), rng.uniform(0, 0.12), rng.uniform(0.06, 0.97))
    return hsv(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.15, 0.9))


def text(rng: Random, image: Image, letters: int, scale: float) -> None:
    """Write random letters into a picture."""
    word = "".join(chr(rng.integers(65, 91)) for _ in range(letters))
    height, width = image.shape[:2]
    at = int(width * 0.05), int(height * rng.uniform(0.4, 0.8))
    color = [int(255 * c) for c in random_color(rng)]
    cv2.putText(image, word, at, cv2.FONT_HERSHEY_TRIPLEX, scale, color, 2)


def picture(rng: Random, size: int = 128) -> Image:
    """A poster, painting or advertisement: shapes on a ground, at times with letters."""
    noise = value_noise(rng, size, size, int(rng.integers(1, 5)))
    image = to_uint8(blend(noise, random_color(rng), random_color(rng)))
    for _ in range(int(rng.integers(2, 11))):
        color = [int(255 * c) for c in random_color(rng)]
        x, y, p, q = (int(value) for value in rng.integers(0, size, 4))
        if rng.random() < 0.5:
            cv2.rectangle(image, (x, y), (p, q), color, -1)
        else:
            cv2.circle(image, (x, y), p // 3 + 2, color, -1)
    if rng.random() < 0.5:
        text(rng, image, 5, 1.1)
    return image
