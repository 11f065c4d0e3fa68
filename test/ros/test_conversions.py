# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays to messages and back; calibrations that follow the image's size."""

from __future__ import annotations

import sys
import time
from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mila_ros.data.image_encodings import ImageError
from mila_ros.ros.conversions import (
    camera_info_message,
    camera_info_scale,
    check_message,
    depth_message,
    image_message,
    mask_message,
    message_to_rgb,
    rgb_message,
)

HEIGHT, WIDTH = 5, 7


def header() -> Header:
    result = Header(frame_id="front_optical")
    result.stamp.sec, result.stamp.nanosec = 12, 345
    return result


def values(message: Image, dtype: type) -> np.ndarray:
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width, -1)


def random_rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def test_mask_message() -> None:
    mask = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    message = mask_message(mask, header())
    assert (message.encoding, message.height, message.width) == ("mono8", HEIGHT, WIDTH)
    assert (message.step, message.header) == (WIDTH, header())
    assert isinstance(message.data, array) and message.data.typecode == "B"
    assert len(message.data) == message.step * message.height
    np.testing.assert_array_equal(values(message, np.uint8)[..., 0], mask)


def test_depth_message_keeps_nan_and_infinities() -> None:
    depth = np.linspace(0.5, 90, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    depth[0, :3] = np.nan, np.inf, -np.inf
    message = depth_message(depth, header())
    assert (message.encoding, message.step) == ("32FC1", 4 * WIDTH)
    assert message.is_bigendian == (sys.byteorder == "big")
    np.testing.assert_array_equal(values(message, np.float32)[..., 0], depth)


def test_rgb_round_trip() -> None:
    rgb = random_rgb()
    message = rgb_message(rgb, header())
    assert (message.encoding, message.step) == ("rgb8", 3 * WIDTH)
    np.testing.assert_array_equal(message_to_rgb(message), rgb)


@pytest.mark.parametrize("view", ["transposed", "reversed", "cropped", "read-only"])
def test_any_strides_are_accepted(view: str) -> None:
    rgb = random_rgb()
    read_only = rgb.copy()
    read_only.flags.writeable = False
    views = {
        "transposed": rgb.transpose(1, 0, 2),
        "reversed": rgb[..., ::-1],
        "cropped": rgb[1:4, 2:6],
        "read-only": read_only,
    }
    message = rgb_message(views[view], header())
    np.testing.assert_array_equal(values(message, np.uint8), views[view])


def test_the_message_does_not_follow_the_array() -> None:
    rgb = random_rgb()
    message = rgb_message(rgb, header())
    before = bytes(message.data)
    rgb[:] = 0
    assert bytes(message.data) == before


@pytest.mark.parametrize("encoding", ["bgr8", "8UC3"])
def test_other_encodings_out_are_read_back_as_rgb(encoding: str) -> None:
    rgb = random_rgb()
    message = image_message(rgb[..., ::-1], encoding, header())
    np.testing.assert_array_equal(message_to_rgb(message), rgb)


def test_raw_and_compressed_are_told_apart() -> None:
    rgb = random_rgb()
    png = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    message = CompressedImage(format="png", data=array("B", png))
    check_message(message)
    np.testing.assert_array_equal(message_to_rgb(message), rgb)
    message.data = message.data[:-20]
    with pytest.raises(ImageError, match="PNG ends after"):
        check_message(message)
    with pytest.raises(ImageError, match="over the limit of 34 pixels"):
        check_message(rgb_message(rgb, header()), max_pixels=34)


def test_a_full_hd_depth_image_takes_milliseconds() -> None:
    """Guards the one way of filling Image.data that is not checked byte by byte."""
    depth = np.ones((1080, 1920), np.float32)
    depth_message(depth, header())
    begin = time.perf_counter()
    depth_message(depth, header())
    assert time.perf_counter() - begin < 0.1


def info(**fields: object) -> CameraInfo:
    result = CameraInfo(header=Header(frame_id="info"), width=640, height=480)
    result.distortion_model, result.d = "plumb_bob", [0.1, -0.2, 0.0, 0.0, 0.0]
    result.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    result.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    result.p = [480.0, 0.0, 310.0, -50.0, 0.0, 490.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in fields.items():
        setattr(result, name, value)
    return result


def test_camera_info_of_the_images_size_gets_the_header_only() -> None:
    source = info()
    result = camera_info_message(source, header(), 640, 480)
    assert result.header == header()
    assert source.header.frame_id == "info"
    result.header = source.header
    assert result == source


def test_camera_info_is_scaled_to_the_image() -> None:
    source = info()
    assert camera_info_scale(source, 320, 120) == (0.5, 0.25)
    result = camera_info_message(source, header(), 320, 120)
    assert (result.width, result.height) == (320, 120)
    np.testing.assert_allclose(result.k, [250, 0, 160, 0, 127.5, 60, 0, 0, 1])
    np.testing.assert_allclose(result.p, [240, 0, 155, -25, 0, 122.5, 57.5, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(result.d, source.d)
    np.testing.assert_array_equal(result.r, source.r)
    assert source == info()


def test_region_of_interest_and_binning_that_explain_the_size_stay() -> None:
    source = info(binning_x=2, binning_y=2)
    source.roi.x_offset, source.roi.y_offset = 40, 20
    source.roi.width, source.roi.height = 320, 240
    assert camera_info_scale(source, 160, 120) == (1.0, 1.0)
    result = camera_info_message(source, header(), 160, 120)
    assert (result.roi, result.binning_x, result.width) == (source.roi, 2, 640)
    np.testing.assert_array_equal(result.k, source.k)


def test_a_region_that_was_resized_as_well_is_worked_into_the_matrices() -> None:
    source = info()
    source.roi.x_offset, source.roi.y_offset = 40, 20
    source.roi.width, source.roi.height = 320, 240
    result = camera_info_message(source, header(), 160, 120)
    assert (result.width, result.height, result.roi.width, result.binning_x) == (160, 120, 0, 0)
    np.testing.assert_allclose(result.k, [250, 0, 140, 0, 255, 110, 0, 0, 1])
    np.testing.assert_allclose(result.p, [240, 0, 135, -25, 0, 245, 105, 0, 0, 0, 1, 0])


def test_an_empty_camera_info_is_left_as_it_is() -> None:
    result = camera_info_message(CameraInfo(), header(), 640, 480)
    assert (result.width, result.height, list(result.k)) == (0, 0, [0.0] * 9)
