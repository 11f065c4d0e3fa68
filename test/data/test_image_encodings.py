# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Raw image messages become the rgb values that were put into them."""

from __future__ import annotations

import sys
from array import array
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

from mila_ros.data.image_encodings import (
    ENCODINGS,
    ImageError,
    check_image,
    check_size,
    image_to_rgb,
)

WIDTH, HEIGHT = 10, 6
RED, GREEN, BLUE = (200, 0, 0), (0, 150, 0), (0, 0, 100)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def message(rows: np.ndarray, encoding: str, *, padding: int = 0, **fields: int) -> SimpleNamespace:
    """A message of the bytes rows [rows, bytes], each row followed by padding of 0xAB."""
    rows = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xAB)
    values = {"height": HEIGHT, "width": WIDTH, "step": rows.shape[1], "is_bigendian": 0, **fields}
    return SimpleNamespace(encoding=encoding, data=array("B", rows.tobytes()), **values)


def encode(rgb: np.ndarray, encoding: str) -> np.ndarray:
    """The rows that a camera would send for rgb; the definition of each encoding in numpy."""
    alpha = np.full(rgb.shape[:2] + (1,), 77, np.uint8)
    bgr = rgb[..., ::-1]
    return {
        "rgb8": rgb,
        "bgr8": bgr,
        "8UC3": bgr,
        "rgba8": np.concatenate([rgb, alpha], axis=2),
        "bgra8": np.concatenate([bgr, alpha], axis=2),
        "8UC4": np.concatenate([bgr, alpha], axis=2),
        "rgb16": rgb.astype("<u2") * 256 + 255,
        "bgr16": bgr.astype("<u2") * 256 + 255,
    }[encoding]


@pytest.mark.parametrize("padding", [0, 2, 13])
@pytest.mark.parametrize(
    "encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "8UC3", "8UC4", "rgb16", "bgr16"]
)
def test_colour_encodings_keep_every_value(encoding: str, padding: int) -> None:
    rgb = picture()
    sent = message(encode(rgb, encoding), encoding, padding=padding)
    np.testing.assert_array_equal(image_to_rgb(sent), rgb)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_becomes_three_equal_channels(encoding: str, padding: int) -> None:
    grey = picture()[..., 0]
    rgb = image_to_rgb(message(grey, encoding, padding=padding))
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_sixteen_bits_become_their_high_byte(
    encoding: str, is_bigendian: int, padding: int
) -> None:
    values = np.array([0, 255, 256, 0x1234, 0x80FF, 0xFFFF], np.uint16)
    grey = np.tile(values[:, None], (1, WIDTH))
    rows = grey.astype(">u2" if is_bigendian else "<u2")
    rgb = image_to_rgb(message(rows, encoding, padding=padding, is_bigendian=is_bigendian))
    expected = np.array([0, 0, 1, 0x12, 0x80, 255], np.uint8)
    np.testing.assert_array_equal(rgb, np.broadcast_to(expected[:, None, None], rgb.shape))


@pytest.mark.parametrize("color", [RED, GREEN, BLUE, (200, 150, 100)])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_pattern_is_read_as_ros_names_it(
    pattern: str, bits: int, color: tuple[int, int, int]
) -> None:
    rgb = dict(zip("rgb", color, strict=True))
    cell = np.array([rgb[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(cell, (HEIGHT // 2, WIDTH // 2))
    rows = mosaic if bits == 8 else mosaic.astype("<u2") * 256
    decoded = image_to_rgb(message(rows, f"bayer_{pattern}{bits}", padding=2))
    np.testing.assert_array_equal(decoded, np.broadcast_to(color, decoded.shape))


def test_sixteen_bit_bayer_in_both_byte_orders() -> None:
    mosaic = picture()[..., 0].astype(np.uint16) * 256
    little = image_to_rgb(message(mosaic.astype("<u2"), "bayer_grbg16"))
    big = image_to_rgb(message(mosaic.astype(">u2"), "bayer_grbg16", is_bigendian=1))
    assert little.std() > 10
    np.testing.assert_array_equal(little, big)


def yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """BT.601 in video range, as ITU-R writes it."""
    r, g, b = rgb
    return (
        round(16 + 0.257 * r + 0.504 * g + 0.098 * b),
        round(128 - 0.148 * r - 0.291 * g + 0.439 * b),
        round(128 + 0.439 * r - 0.368 * g - 0.071 * b),
    )


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("color", [RED, GREEN, BLUE, (90, 160, 40)])
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
def test_yuv_gives_the_colour_back(
    encoding: str, color: tuple[int, int, int], padding: int
) -> None:
    y, u, v = yuv(color)
    if encoding.startswith("nv"):
        chroma = [u, v] if encoding == "nv12" else [v, u]
        rows = np.full((HEIGHT * 3 // 2, WIDTH), y, np.uint8)
        rows[HEIGHT:] = np.tile(chroma, WIDTH // 2)
    else:
        pair = [u, y, v, y] if encoding in ("yuv422", "uyvy") else [y, u, y, v]
        rows = np.tile(np.array(pair, np.uint8), (HEIGHT, WIDTH // 2))
    rgb = image_to_rgb(message(rows, encoding, padding=padding))
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(rgb, np.broadcast_to(color, rgb.shape), atol=3)


def test_rgb8_is_a_view_even_with_padding() -> None:
    sent = message(picture(), "rgb8", padding=5)
    rgb = image_to_rgb(sent)
    assert np.shares_memory(rgb, np.frombuffer(sent.data, np.uint8))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_message_is_never_changed(encoding: str) -> None:
    rows = HEIGHT * 3 // 2 if encoding.startswith("nv") else HEIGHT
    sent = message(np.random.default_rng(1).integers(0, 256, (rows, 8 * WIDTH), np.uint8), encoding)
    before = bytes(sent.data)
    rgb = image_to_rgb(sent)
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert rgb.dtype == np.uint8
    assert bytes(sent.data) == before


BAD = {
    "zero_size": {"width": 0},
    "too_large": {"width": 20_000, "height": 20_000},
    "unknown_encoding": {"encoding": "64FC7"},
    "step_too_small": {"step": 3 * WIDTH - 1},
    "data_too_short": {"data": array("B", bytes(3 * WIDTH * HEIGHT - 1))},
    "data_too_long": {"data": array("B", bytes(3 * WIDTH * HEIGHT + 1))},
    "odd_size": {"encoding": "nv12", "height": HEIGHT - 1},
}


@pytest.mark.parametrize("cause", BAD)
@pytest.mark.parametrize("read", [check_image, image_to_rgb])
def test_what_is_no_image_is_refused_with_its_cause(cause: str, read) -> None:
    sent = message(picture(), "rgb8")
    read(sent)
    for field, value in BAD[cause].items():
        setattr(sent, field, value)
    with pytest.raises(ImageError) as caught:
        read(sent)
    assert caught.value.cause == cause
    assert str(caught.value).endswith(".")


def test_limit_is_the_callers() -> None:
    sent = message(picture(), "rgb8")
    check_image(sent, max_pixels=WIDTH * HEIGHT)
    with pytest.raises(ImageError, match="10x6, over the limit of 59 pixels"):
        check_image(sent, max_pixels=WIDTH * HEIGHT - 1)


@pytest.mark.parametrize("size", [(1, 32_769), (32_769, 1)])
def test_a_side_that_no_camera_has_is_refused(size: tuple[int, int]) -> None:
    check_size(32_768, 1, 50_000_000)
    with pytest.raises(ImageError, match="no side may exceed 32768"):
        check_size(*size, 50_000_000)


def test_the_refusal_of_an_encoding_names_it_and_what_is_read() -> None:
    with pytest.raises(ImageError, match="'32FC3' is not read without cv_bridge.*bgr8"):
        check_image(message(picture(), "32FC3"))


class FakeBridge:
    def imgmsg_to_cv2(self, sent: SimpleNamespace, encoding: str) -> np.ndarray:
        if sent.encoding == "broken":
            raise RuntimeError("[broken] is not a color format")
        assert encoding == "rgb8"
        return np.full((sent.height, sent.width, 3), 42, np.uint8)


def test_rare_encodings_go_through_cv_bridge_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cv_bridge = ModuleType("cv_bridge")
    cv_bridge.CvBridge = FakeBridge
    monkeypatch.setitem(sys.modules, "cv_bridge", cv_bridge)
    assert (image_to_rgb(message(picture(), "32FC3")) == 42).all()
    with pytest.raises(ImageError) as caught:
        image_to_rgb(message(picture(), "broken"))
    assert caught.value.cause == "conversion_failed"
    with pytest.raises(ImageError) as caught:
        image_to_rgb(message(picture(), "32FC3", step=7))
    assert caught.value.cause == "data_too_long"


def test_a_photographed_edge_survives_demosaicing() -> None:
    """Red on the left, blue on the right: a transposed pattern would swap or mix the two."""
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[:, : WIDTH // 2], rgb[:, WIDTH // 2 :] = RED, BLUE
    mosaic = rgb[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = rgb[0::2, 0::2, 0], rgb[1::2, 1::2, 2]
    decoded = image_to_rgb(message(mosaic, "bayer_rggb8"))
    np.testing.assert_array_equal(decoded[:, :2], np.broadcast_to(RED, (HEIGHT, 2, 3)))
    np.testing.assert_array_equal(decoded[:, -2:], np.broadcast_to(BLUE, (HEIGHT, 2, 3)))
    assert cv2.countNonZero(decoded[..., 1]) == 0
