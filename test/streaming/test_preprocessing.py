# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From images to network inputs."""

from __future__ import annotations

import math
import warnings

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mila_ros.streaming import InputSpec
from mila_ros.streaming.preprocessing import Preprocessor, check_image, network_size

SPEC = InputSpec(64, 128, mean=(0.5, 0.25, 0.1), std=(0.2, 0.5, 1.0))


@pytest.fixture
def preprocess() -> Preprocessor:
    return Preprocessor(SPEC, torch.device("cpu"))


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth, so that ways to resize agree, and different in every direction and channel."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    waves = [np.sin(5 * x + 2 * y), np.cos(3 * x - 4 * y), np.sin(2 * x * y + 1)]
    return np.stack([127 + 120 * wave for wave in waves], axis=-1).round().astype(np.uint8)


def denormalized(image: torch.Tensor) -> NDArray[np.float64]:
    """Back to 0..255 in [h, w, 3]."""
    values = image[0].permute(1, 2, 0).double().numpy()
    return (values * SPEC.std + SPEC.mean) * 255


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (256, 512, (256, 512)),
        (720, 1440, (256, 512)),
        (3, 6, (256, 512)),
        (375, 1242, (200, 656)),
        (720, 1280, (272, 480)),
        (480, 640, (312, 416)),
        (640, 480, (416, 312)),
        (1, 1, (360, 360)),
        (1, 100_000, (8, 114_488)),
    ],
)
def test_network_size(height: int, width: int, expected: tuple[int, int]) -> None:
    assert network_size(height, width, (256, 512)) == expected
    if min(height, width) > 100:
        assert math.prod(expected) == pytest.approx(256 * 512, rel=0.02)


def test_an_image_of_the_input_size_is_only_normalised(preprocess: Preprocessor) -> None:
    rgb = picture(64, 128)
    image = preprocess(rgb)
    assert image.shape == (1, 3, 64, 128) and image.dtype == torch.float32
    assert image.is_contiguous(memory_format=torch.channels_last)
    expected = (rgb / 255 - SPEC.mean) / SPEC.std
    np.testing.assert_allclose(image[0].permute(1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(128, 256), (192, 384), (32, 64), (100, 200)])
def test_resizing_is_aligned_and_keeps_the_picture(
    preprocess: Preprocessor, size: tuple[int, int]
) -> None:
    rgb = picture(*size)
    expected = cv2.resize(
        rgb, (128, 64), interpolation=cv2.INTER_AREA if size[0] > 64 else cv2.INTER_LINEAR
    )
    np.testing.assert_allclose(denormalized(preprocess(rgb)), expected, atol=2.5)


def test_shrinking_averages(preprocess: Preprocessor) -> None:
    """A chequerboard of pixels becomes grey, not the colour of the pixels that happen to be hit."""
    rgb = np.zeros((512, 1024, 3), np.uint8)
    rgb[::2, ::2] = rgb[1::2, 1::2] = 255
    np.testing.assert_allclose(denormalized(preprocess(rgb)), 127.5, atol=2)


def test_bytes_and_floats_are_resized_alike(preprocess: Preprocessor) -> None:
    """The CPU resizes bytes and a GPU floats; both are to see the same picture."""
    rgb = picture(150, 330)
    image = torch.from_numpy(rgb).permute(2, 0, 1).unsqueeze(0).float()
    size = network_size(150, 330, (64, 128))
    floats = torch.nn.functional.interpolate(image, size, mode="bilinear", antialias=True)
    np.testing.assert_allclose(denormalized(preprocess(rgb)), floats[0].permute(1, 2, 0), atol=1.01)


def reversed_channels(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rgb[..., ::-1].copy()[..., ::-1]


def padded_rows(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    wide = np.zeros((rgb.shape[0], rgb.shape[1] + 5, 3), np.uint8)
    wide[:, :-5] = rgb
    return wide[:, :-5]


def read_only(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.frombuffer(rgb.tobytes(), np.uint8).reshape(rgb.shape)


def planar(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rgb.transpose(2, 0, 1).copy().transpose(1, 2, 0)


@pytest.mark.parametrize("size", [(64, 128), (90, 160)])
@pytest.mark.parametrize("layout", [reversed_channels, padded_rows, read_only, planar])
def test_any_memory_layout(preprocess: Preprocessor, layout: object, size: tuple[int, int]) -> None:
    rgb = picture(*size)
    laid_out = layout(rgb)  # type: ignore[operator]  (any of those above)
    before = laid_out.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = preprocess(laid_out)
    assert torch.equal(image, preprocess(rgb))
    assert np.array_equal(laid_out, before)


@pytest.mark.parametrize(
    ("rgb", "message"),
    [
        ([[1, 2, 3]], "must be a numpy array, not list"),
        (torch.zeros(4, 4, 3), "must be a numpy array, not Tensor"),
        (np.zeros((4, 4, 3), np.float32), r"not float32 \[4, 4, 3\]"),
        (np.zeros((4, 4), np.uint8), r"not uint8 \[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"not uint8 \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"not empty, not uint8 \[0, 4, 3\]"),
    ],
)
def test_what_is_no_image(rgb: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_image(rgb)
