# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Forty kinds of messages that are not the image they say they are, and of odd good ones."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

Spoil = Callable[[Image, Generator], object]


def _set(**fields: object) -> Spoil:
    def spoil(image: Image, _: Generator) -> None:
        for name, value in fields.items():
            setattr(image, name, value)

    return spoil


def _stamp(seconds: int) -> Spoil:
    def spoil(image: Image, _: Generator) -> None:
        image.header.stamp.sec = seconds

    return spoil


def _data(change: Callable[[bytes, Generator], bytes]) -> Spoil:
    def spoil(image: Image | CompressedImage, rng: Generator) -> None:
        image.data = array("B", change(bytes(image.data), rng))

    return spoil


def _encoding(name: str) -> Spoil:
    return _set(encoding=name)


RAW: dict[str, Spoil] = {
    "no width": _set(width=0),
    "no height": _set(height=0),
    "no size": _set(width=0, height=0, step=0, data=array("B")),
    "all empty": _set(width=0, height=0, step=0, encoding="", data=array("B")),
    "huge width": _set(width=2**32 - 1),
    "huge height": _set(height=2**32 - 1),
    "huge size": _set(width=2**31, height=2**31),
    "size whose bytes overflow 32 bits": _set(width=65536, height=65536, step=0),
    "many pixels": _set(width=20_000, height=20_000, step=60_000),
    "one row more": lambda image, _: setattr(image, "height", image.height + 1),
    "one row less": lambda image, _: setattr(image, "height", image.height - 1),
    "one column more": lambda image, _: setattr(image, "width", image.width + 1),
    "no step": _set(step=0),
    "a step of one byte": _set(step=1),
    "a step short of one": lambda image, _: setattr(image, "step", image.step - 1),
    "a step too long": lambda image, _: setattr(image, "step", image.step + 1),
    "a huge step": _set(step=2**32 - 1),
    "no data": _set(data=array("B")),
    "one byte": _set(data=array("B", b"\0")),
    "a byte short": _data(lambda data, _: data[:-1]),
    "a byte over": _data(lambda data, _: data + b"\0"),
    "half the data": _data(lambda data, _: data[: len(data) // 2]),
    "twice the data": _data(lambda data, _: data * 2),
    "data cut anywhere": _data(lambda data, rng: data[: rng.integers(1, len(data))]),
    "no encoding": _encoding(""),
    "an unknown encoding": _encoding("64FC7"),
    "an encoding in capitals": _encoding("RGB8"),
    "an encoding with a blank": _encoding("rgb8 "),
    "an encoding of a kilobyte": _encoding("r" * 1000),
    "an encoding not in ASCII": _encoding("rgb8é\u2028"),
    "a path for an encoding": _encoding("../../etc/passwd"),
    "a format string for an encoding": _encoding("%s%n{0.__class__}"),
    "more channels than data": _encoding("rgba8"),
    "more bytes than data": _encoding("rgb16"),
    "fewer channels than data": lambda image, _: (
        setattr(image, "encoding", "mono8"),
        setattr(image, "step", image.width),
    ),
    "nv12 of an odd height": lambda image, _: (
        setattr(image, "encoding", "nv12"),
        setattr(image, "height", 63),
    ),
    "yuv of an odd width": lambda image, _: (
        setattr(image, "encoding", "yuv422"),
        setattr(image, "width", 127),
    ),
    "a stamp before 1970": _stamp(-1),
    "the earliest stamp": _stamp(-(2**31)),
    "everything at random": lambda image, rng: (
        setattr(image, "width", int(rng.integers(2**32))),
        setattr(image, "height", int(rng.integers(2**32))),
        setattr(image, "step", int(rng.integers(2**32))),
        setattr(image, "encoding", bytes(rng.integers(33, 127, 12, np.uint8)).decode()),
    ),
}
"""Forty ways to spoil a good rgb8 image of 64x128 so that it must be refused."""


def _png(data: bytes, rng: Generator) -> bytes:
    return cv2.imencode(".png", rng.integers(0, 256, (64, 128, 3), np.uint8))[1].tobytes()


def _resized(width: int, height: int) -> Callable[[bytes, Generator], bytes]:
    def change(data: bytes, rng: Generator) -> bytes:
        png = bytearray(_png(data, rng))
        png[16:24] = struct.pack(">II", width, height)
        return bytes(png)

    return change


def _flipped(data: bytes, rng: Generator) -> bytes:
    png = bytearray(_png(data, rng))
    png[len(png) // 2] ^= 0xFF
    return bytes(png)


COMPRESSED: dict[str, Spoil] = {
    "no data": _data(lambda data, _: b""),
    "one byte": _data(lambda data, _: b"\xff"),
    "the start alone": _data(lambda data, _: data[:2]),
    "no end": _data(lambda data, _: data[:-40]),
    "cut anywhere": _data(lambda data, rng: data[: rng.integers(3, len(data) - 2)]),
    "a GIF": _data(lambda data, _: b"GIF89a" + data),
    "a text": _data(lambda data, _: b"<html>404</html>"),
    "noise": _data(lambda data, rng: rng.bytes(len(data))),
    "a PNG cut short": _data(lambda data, rng: _png(data, rng)[:-30]),
    "a PNG with a flipped byte": _data(_flipped),
    "a PNG that says it is huge": _data(_resized(60_000, 60_000)),
    "a PNG that says it is 2^31 wide": _data(_resized(2**31, 1)),
    "a PNG without a size": _data(_resized(0, 0)),
    "a JPEG of headers alone": _data(lambda data, _: b"\xff\xd8\xff\xd9"),
}
"""Ways to spoil a good JPEG."""


def spoiled(good: Image | CompressedImage, kind: str, rng: Generator) -> Image | CompressedImage:
    """Return a bad copy of the message."""
    stamp = good.header.stamp
    header = Header(frame_id=good.header.frame_id)
    header.stamp.sec, header.stamp.nanosec = stamp.sec, stamp.nanosec
    if isinstance(good, CompressedImage):
        bad = CompressedImage(header=header, format=good.format, data=good.data)
        COMPRESSED[kind](bad, rng)
        return bad
    bad = Image(
        header=header,
        height=good.height,
        width=good.width,
        encoding=good.encoding,
        step=good.step,
        data=good.data,
    )
    RAW[kind](bad, rng)
    return bad
