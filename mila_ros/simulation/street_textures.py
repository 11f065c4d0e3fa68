# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What only a street has: road paint, facades, shop fronts, signs, car bodies and the sky."""

from __future__ import annotations

import cv2
import numpy as np

from mila_ros.simulation.textures import (
    Floats,
    Image,
    Random,
    blend,
    bricks,
    grain,
    hsv,
    random_color,
    text,
    to_uint8,
    value_noise,
)


def road(rng: Random, width_m: float, lines_m: list[float], size: int = 512) -> Image:
    """Asphalt of a whole road, patched and cracked, with worn lines along it.

    Args:
        rng: The source of all chance.
        width_m: Metres that the image's width covers.
        lines_m: Where lines are, from the left edge; the first and last are the road's edges.
        size: Pixels of both sides.
    """
    noise = value_noise(rng, size, size, int(rng.integers(2, 6)), 8, rng.uniform(0.55, 0.8))
    value = rng.uniform(0.22, 0.55)
    image = blend(noise, np.full(3, value * 0.8), np.full(3, value * 1.12))
    image += 0.03 * grain(rng, (size, size, 1))
    image *= 1 + rng.uniform(-0.05, 0.05, 3)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.integers(0, size, 2)
        w, h = rng.integers(20, 160, 2)
        image[y : y + h, x : x + w] *= rng.uniform(0.75, 1.15)
    for _ in range(int(rng.integers(0, 5))):
        crack = np.cumsum(rng.normal(0, 9, (40, 2)), 0) + rng.integers(0, size, 2)
        cv2.polylines(image, [crack.astype(np.int32)], False, (value * 0.5,) * 3, 1)
    color = hsv(0.13, 0.6, 0.9) if rng.random() < 0.2 else np.full(3, rng.uniform(0.7, 0.95))
    thick = max(int(0.14 / width_m * size), 2)
    painted = np.zeros((size, size, 1), np.float32)
    for index, line in enumerate(lines_m):
        at = int(np.clip(line / width_m * size, 2 * thick, size - 2 * thick))
        is_edge = index in (0, len(lines_m) - 1)
        share = rng.choice([0.0, 1.0], p=[0.35, 0.65]) if is_edge else rng.choice([0.35, 0.5, 1.0])
        painted[: int(size * share), at - thick // 2 : at + thick // 2 + 1] = 1
    wear = value_noise(rng, size, size, 16, 4) > rng.uniform(0.05, 0.45)
    painted *= wear[..., None]
    return to_uint8(image * (1 - painted) + color * painted)


def facade(rng: Random, floors: int, bays: int, px: int = 48) -> Image:
    """One tile of a facade: ``floors`` × ``bays`` windows."""
    height, width = floors * px, bays * px
    kind = rng.choice(["plaster", "brick", "concrete", "glass"], p=[0.4, 0.3, 0.15, 0.15])
    color = hsv(rng.uniform(0, 0.16), rng.uniform(0, 0.35), rng.uniform(0.45, 0.95))
    if rng.random() < 0.15:
        color = hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.35, 0.9))
    noise = value_noise(rng, height, width, 3)
    image = blend(noise, color * 0.86, color * 1.06)
    if kind == "brick":
        wall = cv2.resize(bricks(rng), (128, 128)).astype(np.float32) / 255
        image = np.tile(wall, (height // 128 + 1, width // 128 + 1, 1))[:height, :width]
        image = image * (0.9 + 0.2 * noise[..., None])
    if kind == "glass":
        image = blend(noise, hsv(rng.uniform(0.5, 0.62), 0.3, 0.3), hsv(0.56, 0.2, 0.8))
    wide, high = rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.8)
    if kind == "glass":
        wide, high = rng.uniform(0.85, 0.95), rng.uniform(0.8, 0.95)
    frame = hsv(rng.random(), 0.1, rng.choice([0.15, 0.95]))
    sill = rng.random() < 0.5
    lit, arched = rng.uniform(0, 0.2), rng.random() < 0.2
    for floor in range(floors):
        if rng.random() < 0.3:
            image[floor * px : floor * px + 2] *= 0.75
        for bay in range(bays):
            if rng.random() < 0.05:
                continue
            _window(rng, image, (bay * px, floor * px), px, (wide, high), frame, lit, arched, sill)
    return to_uint8(image + 0.012 * grain(rng, image.shape))


def _window(
    rng: Random, image: Floats, corner: tuple[int, int], px: int, share: tuple[float, float],
    frame: Floats, lit: float, arched: bool, sill: bool,
) -> None:  # fmt: skip
    """Draw a window into a cell of ``px`` pixels at a corner (x, y)."""
    x0 = int(corner[0] + px * (1 - share[0]) / 2)
    y0 = int(corner[1] + px * (1 - share[1]) / 2)
    x1, y1 = int(x0 + px * share[0]), int(y0 + px * share[1])
    edge = [float(c) for c in frame]
    cv2.rectangle(image, (x0 - 2, y0 - 2), (x1 + 1, y1 + 1), edge, -1)
    if arched:
        middle = ((x0 + x1) // 2, y0)
        cv2.ellipse(image, middle, ((x1 - x0) // 2, px // 8), 0, 180, 360, edge, -1)
    pane = hsv(0.58, 0.25, rng.uniform(0.1, 0.55))
    if rng.random() < lit:
        pane = hsv(0.12, 0.4, 0.9)
    image[y0:y1, x0:x1] = pane * np.linspace(1.3, 0.7, max(y1 - y0, 1))[:, None, None]
    if rng.random() < 0.3:
        image[y0 : y0 + int((y1 - y0) * rng.random()), x0:x1] = hsv(rng.random(), 0.15, 0.85)
    middle_x, middle_y = (x0 + x1) // 2, (2 * y0 + y1) // 3
    image[y0:y1, middle_x - 1 : middle_x + 1] = frame
    image[middle_y : middle_y + 1, x0:x1] = frame
    if sill:
        image[y1 + 1 : y1 + 3, x0 - 3 : x1 + 3] = 0.9


def shop_front(rng: Random) -> Image:
    """Shop windows and a door under a name board; 64 × 256 pixels, once over a house's width."""
    image = np.empty((64, 256, 3), np.float32)
    image[:] = random_color(rng) * 0.8
    for left in range(6, 250, int(rng.integers(50, 90))):
        right = min(left + int(rng.integers(36, 80)), 250)
        pane = hsv(0.57, 0.2, rng.uniform(0.1, 0.45))
        image[18:58, left:right] = pane * np.linspace(1.4, 0.7, 40)[:, None, None]
        for _ in range(int(rng.integers(0, 5))):
            x, y = int(rng.integers(left, right)), int(rng.integers(30, 50))
            image[y:58, x : min(x + 9, right)] = random_color(rng)
    door = int(rng.integers(10, 220))
    image[16:64, door : door + 18] = random_color(rng) * 0.6
    image[1:14] = random_color(rng)
    picture = to_uint8(image)
    text(rng, picture[:16], 9, 0.5)
    return picture


def traffic_sign(rng: Random, size: int = 64) -> Image:
    """A sign's face: rings, triangles, arrows, letters; round ones on a dark or pale ground."""
    background = hsv(rng.random(), rng.uniform(0, 0.3), rng.choice([0.25, 0.6, 0.9]))
    image = np.empty((size, size, 3), np.float32)
    image[:] = background
    hue = rng.choice([0.0, 0.6, 0.36, 0.14], p=[0.45, 0.35, 0.08, 0.12])
    strong = [float(c) for c in hsv(hue, 0.88, 0.8)]
    middle, radius = (size // 2, size // 2), size // 2 - 3
    kind = rng.choice(["ring", "disc", "triangle", "square"])
    if kind in ("ring", "disc"):
        cv2.circle(image, middle, radius, strong, -1)
        if kind == "ring":
            cv2.circle(image, middle, radius - 8, (0.95,) * 3, -1)
    elif kind == "triangle":
        corners = np.array([[4, size - 8], [size - 4, size - 8], [size // 2, 4]])
        cv2.fillPoly(image, [corners], strong)
        cv2.fillPoly(image, [(corners * 0.62 + [12, 17]).astype(np.int32)], (0.95,) * 3)
    else:
        image[3:-3, 3:-3] = strong
    picture = to_uint8(image)
    ink = (15, 15, 15) if kind in ("ring", "triangle") else (245, 245, 245)
    mark = rng.choice(["number", "bar", "arrow"])
    if mark == "number":
        label = str(rng.integers(10, 99))
        cv2.putText(picture, label, (15, 42), cv2.FONT_HERSHEY_DUPLEX, 0.9, ink, 2)
    elif mark == "bar":
        cv2.rectangle(picture, (16, 27), (48, 37), ink, -1)
    else:
        ends = ((32, 50), (int(rng.integers(20, 45)), 16))
        cv2.arrowedLine(picture, *ends, ink, 5, tipLength=0.4)
    return picture


def car_body(rng: Random, color: Floats, doors: int) -> Image:
    """A vehicle's side over its whole length and height: seams, handles, dirt; 48 × 128 pixels."""
    image = np.empty((48, 128, 3), np.float32)
    shine = np.linspace(1.12, 0.78, 48) + 0.14 * np.exp(
        -((np.linspace(0, 1, 48) - 0.42) ** 2) / 0.003
    )
    image[:] = color * shine[:, None, None]
    if rng.random() < 0.12:
        image[30:40] = random_color(rng)
    for k in range(doors + 1):
        x = int(128 * (0.28 + 0.42 * k / max(doors, 1)))
        image[14:44, x : x + 1] *= 0.45
        if k:
            image[24:26, x - 5 : x - 1] *= 0.4
    dirt = np.linspace(0, 1, 48)[:, None] ** 6 * value_noise(rng, 48, 128, 4)
    brown = np.array([0.35, 0.3, 0.25], np.float32)
    return to_uint8(blend(np.minimum(dirt * rng.uniform(0, 1.2), 1), image, brown))


def livery(rng: Random, color: Floats) -> Image:
    """The side of a lorry, van or bus: plain, banded or lettered; 48 × 128 pixels."""
    image = car_body(rng, color, 0)
    if rng.random() < 0.6:
        y = int(rng.integers(8, 34))
        image[y : y + int(rng.integers(3, 14))] = to_uint8(random_color(rng))
    if rng.random() < 0.5:
        text(rng, image, int(rng.integers(3, 6)), rng.uniform(0.6, 1.1))
    return image


def glass(rng: Random) -> Image:
    """Car glass: the sky above, the street below, streaks; 16 × 128 pixels."""
    sky, dark = rng.uniform(0.25, 0.75), rng.uniform(0.03, 0.2)
    ramp = np.linspace(1, 0, 16, dtype=np.float32)[:, None] ** rng.uniform(0.7, 2.5)
    amount = np.clip(ramp + 0.35 * (value_noise(rng, 16, 128, 4) - 0.5), 0, 1)
    return to_uint8(blend(amount, np.full(3, dark), sky * np.array([0.9, 0.97, 1.05])))


SKIES = ("clear", "clouds", "overcast", "dusk")


def sky(rng: Random, kind: str, size: int = 256) -> tuple[Image, Floats]:
    """Six faces of the sky [6 size, size, 3] for `Scene.sky`, and the horizon's colour."""
    top, horizon, threshold = {
        "clear": (
            hsv(rng.uniform(0.55, 0.62), 0.6, rng.uniform(0.6, 0.95)),
            hsv(0.56, 0.18, 0.96),
            2.0,
        ),
        "clouds": (
            hsv(rng.uniform(0.55, 0.62), 0.5, rng.uniform(0.6, 0.95)),
            hsv(0.57, 0.12, 0.97),
            rng.uniform(0.3, 0.65),
        ),
        "overcast": (hsv(0.6, 0.05, rng.uniform(0.6, 0.97)), hsv(0.6, 0.03, 0.93), 0.25),
        "dusk": (
            hsv(rng.uniform(0.58, 0.7), 0.45, rng.uniform(0.35, 0.6)),
            hsv(rng.uniform(0.02, 0.12), rng.uniform(0.2, 0.5), 0.9),
            0.5,
        ),
    }[kind]
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    a, b = np.meshgrid(axis, axis)
    one = np.ones_like(a)
    clouds = value_noise(rng, 512, 1024, 4, 7, 0.6)
    faces = []
    # MuJoCo draws the sky with y up.
    sides = (one, -b, -a), (-one, -b, a), (a, one, b), (a, -one, -b), (a, -b, one), (-a, -b, -one)
    for x, y, z in sides:
        length = np.sqrt(x * x + y * y + z * z)
        elevation = np.arcsin(y / length)
        image = blend(np.clip(elevation / (np.pi / 2), 0, 1) ** 0.6, horizon, top)
        # The clouds lie on a plane above.
        reach = 0.12 / np.maximum(y / length, 0.08) / length
        u, v = ((x * reach) % 1 * 1023).astype(int), ((z * reach) % 1 * 511).astype(int)
        density = clouds[v, u][..., None]
        cover = np.clip((density - threshold) * 3, 0, 1) * np.clip(elevation * 6, 0, 1)[..., None]
        image = image * (1 - cover) + (0.72 + 0.28 * density) * cover
        faces.append(np.where(y[..., None] < 0, horizon * 0.85, image))
    return to_uint8(np.concatenate(faces)), horizon
