# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages of any fields and bytes: the right pixels, or an ImageError; nothing else."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mila_ros.data.compressed_images import compressed_to_rgb, encoded_size
from mila_ros.data.image_encodings import ENCODINGS, ImageError, image_to_rgb
from mila_ros.data.maps import depth_map, mask_map
from mila_ros.data.point_clouds import PointCloudError, points_xyz

UINT32 = st.integers(0, 2**32 - 1)
SIDES = st.integers(0, 9) | UINT32
CHANNELS = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4, "mono": 1}
ORDERED = [f"{name}8" for name in CHANNELS] + ["rgb16", "bgr16", "mono16"]
MAX_PIXELS = 10_000


@dataclass
class Message:
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Half of them with as many bytes as step and height ask for."""
    height, width = draw(SIDES), draw(SIDES)
    encoding = draw(st.sampled_from([*ENCODINGS, "32FC1"]) | st.text(max_size=12))
    step = draw(st.integers(0, 100) | UINT32)
    size = draw(st.sampled_from([1, 1, 3 / 2, 2])) * step * height
    count = int(size) if size <= 4096 and draw(st.booleans()) else draw(st.integers(0, 500))
    data = bytes(np.random.default_rng(count).integers(0, 256, count, np.uint8))
    return Message(height, width, encoding, draw(st.integers(0, 255)), step, data)


def bounded(function: Any, *arguments: Any, limit: int = 1 << 21) -> Any:
    """What it returns or raises; it must not have asked for more memory than the limit."""
    tracemalloc.start()
    try:
        return function(*arguments)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < limit


@given(messages())
def test_any_message_is_an_image_of_its_size_or_refused(message: Message) -> None:
    try:
        rgb = bounded(image_to_rgb, message, MAX_PIXELS)
    except ImageError as error:
        assert error.cause and str(error).endswith(".")
        assert len(str(error)) < 800
        return
    assert rgb.dtype == np.uint8
    assert rgb.shape == (message.height, message.width, 3)
    assert message.height * message.width <= MAX_PIXELS


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, str, int, bool]:
    """High bytes of channels as the encoding orders them; encoding, padding, byte order."""
    encoding = draw(st.sampled_from(ORDERED))
    channels = CHANNELS[encoding.rstrip("0123456789")]
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40)), channels
    values = np.random.default_rng(draw(UINT32)).integers(0, 256, shape, np.uint8)
    return values, encoding, draw(st.integers(0, 9)), draw(st.booleans())


@given(pictures())
def test_ordered_channels_keep_every_value(
    picture: tuple[np.ndarray, str, int, bool],
) -> None:
    values, encoding, padding, is_big = picture
    height, width, channels = values.shape
    pixels = values
    if encoding.endswith("16"):
        low = np.random.default_rng(0).integers(0, 256, values.shape, np.uint8)
        pixels = np.stack([values, low] if is_big else [low, values], axis=-1)
    rows = pixels.reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = Message(height, width, encoding, is_big, rows.shape[1], rows.tobytes())
    order = [2, 1, 0] if encoding.startswith("bgr") else [0, 1, 2]
    expected = values[..., order] if channels > 1 else np.repeat(values, 3, axis=2)
    np.testing.assert_array_equal(image_to_rgb(message), expected)


@given(pictures(), st.floats(0, 60), st.booleans())
def test_maps_keep_every_value(
    picture: tuple[np.ndarray, str, int, bool], scale: float, is_float: bool
) -> None:
    values, _, padding, is_big = picture
    ids = np.ascontiguousarray(values[..., 0])
    order = ">" if is_big else "<"
    height, width = ids.shape
    stored = (ids * scale).astype(f"{order}f4") if is_float else ids.astype(f"{order}u2") * 257
    stored = stored.astype(f"{order}f4" if is_float else f"{order}u2")

    def message(pixels: np.ndarray, encoding: str) -> Message:
        rows = pixels.view(np.uint8).reshape(height, -1)
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
        return Message(height, width, encoding, is_big, rows.shape[1], rows.tobytes())

    np.testing.assert_array_equal(mask_map(message(ids, "mono8")), ids)
    metres = depth_map(message(stored, "32FC1" if is_float else "16UC1"))
    if is_float:
        np.testing.assert_array_equal(metres, (ids * scale).astype(np.float32))
    else:
        known = ids > 0
        assert np.isnan(metres[~known]).all()
        np.testing.assert_allclose(metres[known], ids[known] * 0.257, rtol=1e-6)


@given(messages())
def test_any_map_is_of_its_size_or_refused(message: Message) -> None:
    for read in (mask_map, depth_map):
        try:
            pixels = bounded(read, message)
        except ImageError:
            continue
        assert pixels.shape == (message.height, message.width)


_SCENE = cv2.GaussianBlur(
    np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8), (5, 5), 0
)
_FILES = [cv2.imencode(suffix, _SCENE)[1].tobytes() for suffix in (".jpg", ".png")]
_FILES.append(cv2.imencode(".jpg", _SCENE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(_FILES)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "drop"]))
        if kind == "set" and at < len(content):
            content[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=9))
        elif kind == "drop":
            del content[at : at + draw(st.integers(1, 40))]
        elif kind == "cut":
            del content[at:]
    return bytes(content)


@dataclass
class Compressed:
    format: str
    data: bytes


@given(
    mutated_files() | st.binary(max_size=200), st.sampled_from(["jpeg", "rgb8; png compressed "])
)
@example(b"\xff\xd8" + b"\xff\xc0\x00\x02" * 9, "jpeg")
@example(b"\xff\xd8" + b"\xff" * 4096, "")
def test_any_file_is_a_picture_of_its_size_or_refused(content: bytes, format_: str) -> None:
    try:
        rgb = bounded(compressed_to_rgb, Compressed(format_, content), MAX_PIXELS)
    except ImageError as error:
        assert error.cause and str(error).endswith(".")
        return
    assert rgb.dtype == np.uint8 and rgb.shape[2] == 3
    assert (rgb.shape[1], rgb.shape[0]) == encoded_size(content)
    assert rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS


@dataclass
class Field:
    name: str
    offset: int
    datatype: int


@dataclass
class Cloud:
    height: int
    width: int
    fields: list[Field]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: bytes


XYZ = [Field(name, 4 * i, 7) for i, name in enumerate("xyz")]
FIELDS = st.lists(
    st.builds(Field, st.sampled_from("xyzi"), st.integers(0, 20) | UINT32, st.integers(6, 8)),
    max_size=5,
)


@given(
    st.builds(
        Cloud,
        SIDES,
        SIDES,
        FIELDS | st.just(XYZ),
        st.booleans(),
        st.integers(0, 32) | UINT32,
        st.integers(0, 300) | UINT32,
        st.binary(max_size=400),
    )
)
@example(Cloud(0, 0, XYZ, False, 2**31, 0, b""))
def test_any_cloud_has_its_points_or_is_refused(cloud: Cloud) -> None:
    try:
        points = bounded(points_xyz, cloud)
    except PointCloudError:
        return
    assert points.shape == (cloud.width * cloud.height, 3)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 9), st.booleans(), UINT32)
def test_a_good_cloud_keeps_every_point(
    height: int, width: int, padding: int, is_big: bool, seed: int
) -> None:
    xyz = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    points = np.zeros((height, width, 5), np.float32)
    points[..., [1, 2, 4]] = xyz
    rows = points.astype(">f4" if is_big else "<f4").view(np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    fields = [Field(name, 4 * at, 7) for name, at in zip("xyz", (1, 2, 4), strict=True)]
    cloud = Cloud(height, width, fields, is_big, 20, rows.shape[1], rows.tobytes())
    np.testing.assert_array_equal(points_xyz(cloud), xyz.reshape(-1, 3))


def test_the_memory_bound_can_fail() -> None:
    with pytest.raises(AssertionError):
        bounded(np.zeros, 1 << 22, np.uint8)
