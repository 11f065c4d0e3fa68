# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG data decode to what was encoded, or are refused with the cause."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mila_ros.data.compressed_images import (
    check_compressed,
    compressed_to_rgb,
    decode_image,
    encoded_size,
)
from mila_ros.data.image_encodings import ImageError

WIDTH, HEIGHT = 96, 64


def picture() -> np.ndarray:
    """Smooth, so that JPEG keeps it, with three different channels and some detail."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    channels = [x * 2, y * 3, 128 + 100 * np.sin(x / 9) * np.cos(y / 7)]
    return np.stack(channels, axis=2).clip(0, 255).astype(np.uint8)


def encode(rgb: np.ndarray, extension: str = ".jpg", *options: int) -> bytes:
    bgr = rgb[..., ::-1] if rgb.ndim == 3 else rgb
    is_encoded, data = cv2.imencode(extension, bgr, list(options))
    assert is_encoded
    return data.tobytes()


def cause(data: bytes, **limits: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, **limits)
    assert str(caught.value).endswith(".")
    return caught.value.cause


def with_thumbnail(jpeg: bytes) -> bytes:
    """The JPEG with a whole other JPEG in an APP1 segment, as cameras embed previews."""
    preview = encode(picture()[:16, :16])
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview + jpeg[2:]


def test_png_keeps_every_value_and_jpeg_the_colours() -> None:
    rgb = picture()
    np.testing.assert_array_equal(decode_image(encode(rgb, ".png")), rgb)
    jpeg = decode_image(encode(rgb, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95))
    assert np.abs(jpeg.astype(int) - rgb).mean() < 2


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_grey_and_sixteen_bit_files_become_rgb(extension: str) -> None:
    grey = picture()[..., 0]
    decoded = decode_image(encode(grey, extension))
    np.testing.assert_allclose(decoded, np.repeat(grey[..., None], 3, axis=2), atol=6)
    if extension == ".png":
        sixteen = decode_image(encode(grey.astype(np.uint16) * 256 + 100, extension))
        np.testing.assert_array_equal(sixteen, decoded)


@pytest.mark.parametrize(
    "format_",
    ["jpeg", "jpg", "bgr8; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8", "rgb8; jpeg", ""],
)
def test_the_usual_formats_are_read_in_the_files_own_order(format_: str) -> None:
    rgb = picture()
    message = SimpleNamespace(format=format_, data=encode(rgb))
    assert np.abs(compressed_to_rgb(message).astype(int) - rgb).mean() < 4


def test_what_was_encoded_with_swapped_channels_is_swapped_back() -> None:
    rgb = picture()
    data = encode(rgb[..., ::-1], ".png")
    message = SimpleNamespace(format="rgb8; png compressed rgb8", data=data)
    np.testing.assert_array_equal(compressed_to_rgb(message), rgb)


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
@pytest.mark.parametrize("thumbnail", [False, True])
def test_a_jpeg_cut_anywhere_is_refused(options: tuple[int, ...], thumbnail: bool) -> None:
    jpeg = encode(picture(), ".jpg", *options)
    if thumbnail:
        jpeg = with_thumbnail(jpeg)
    assert encoded_size(jpeg) == (WIDTH, HEIGHT)
    accepted = [cut for cut in range(1, len(jpeg)) if not is_refused(jpeg[:cut])]
    assert accepted == []


def is_refused(data: bytes) -> bool:
    try:
        decode_image(data)
    except ImageError as error:
        return error.cause in ("truncated", "unknown_format")
    return False


def test_a_png_cut_anywhere_is_refused() -> None:
    png = encode(picture(), ".png")
    cuts = [*range(1, 60), len(png) // 2, *range(len(png) - 30, len(png) - 8)]
    assert [cut for cut in cuts if not is_refused(png[:cut])] == []


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_padding_after_the_end_is_accepted(extension: str) -> None:
    data = encode(picture(), extension)
    np.testing.assert_array_equal(decode_image(data + bytes(40)), decode_image(data))


def test_restart_markers_are_no_segments() -> None:
    jpeg = encode(picture(), ".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    assert b"\xff\xd1" in jpeg
    assert decode_image(jpeg).shape == (HEIGHT, WIDTH, 3)


def test_neither_jpeg_nor_png() -> None:
    assert cause(b"") == "empty"
    assert cause(b"GIF89a" + bytes(100)) == "unknown_format"


def test_a_damaged_png_is_refused() -> None:
    png = bytearray(encode(picture(), ".png"))
    png[len(png) // 2] ^= 0xFF
    assert cause(bytes(png)) == "corrupt"


def test_a_jpeg_without_a_frame_is_refused() -> None:
    assert cause(b"\xff\xd8\xff\xe0\x00\x10" + bytes(14) + b"\xff\xd9") == "corrupt"


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert cause(png) == "too_large"
    assert cause(encode(picture()), max_pixels=WIDTH * HEIGHT - 1) == "too_large"
    zero = png.replace(struct.pack(">II", 60_000, 60_000), bytes(8))
    assert cause(zero) == "zero_size"


def test_the_picture_is_not_turned_by_its_exif() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    jpeg = encode(picture())
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    np.testing.assert_array_equal(decode_image(turned), decode_image(jpeg))


def test_checking_a_message_decodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    data = encode(picture())
    check_compressed(SimpleNamespace(format="jpeg", data=data))
    with pytest.raises(ImageError) as caught:
        check_compressed(SimpleNamespace(format="jpeg", data=data[:-2]))
    assert caught.value.cause == "truncated"
