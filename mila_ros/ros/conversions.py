# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays and calibrations to ROS messages.

Data is always an ``array.array('B')``: on ROS 2 Humble anything else is checked byte by byte in
Python, up to a second for one image. The way in is `mila_ros.data.image_encodings` and
`mila_ros.data.compressed_images`, which bags read through rosbags need as well; here is what
chooses between the two.
"""

from __future__ import annotations

import sys
from array import array

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from mila_ros.data.compressed_images import check_compressed, compressed_to_rgb
from mila_ros.data.image_encodings import MAX_PIXELS, RgbImage, check_image, image_to_rgb


def check_message(message: Image | CompressedImage, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageError if the message, raw or compressed, cannot be an image; decodes nothing."""
    if isinstance(message, CompressedImage):
        check_compressed(message, max_pixels)
    else:
        check_image(message, max_pixels)


def message_to_rgb(message: Image | CompressedImage, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Return the image of a raw or compressed message as rgb uint8 [H, W, 3].

    Raises:
        ImageError: the message is not the image it says it is.
    """
    if isinstance(message, CompressedImage):
        return compressed_to_rgb(message, max_pixels)
    return image_to_rgb(message, max_pixels)


def image_message(pixels: NDArray[np.generic], encoding: str, header: Header) -> Image:
    """Return an Image of any [H, W] or [H, W, C] array, with this header and no padding."""
    pixels = np.ascontiguousarray(pixels)
    data = array("B")
    data.frombytes(memoryview(pixels).cast("B"))
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = pixels.nbytes // height
    message.data = data
    return message


def mask_message(mask: NDArray[np.uint8], header: Header) -> Image:
    """Return a mono8 Image of uint8 [H, W]: ids, a mask of 0 and 255, or a probability."""
    return image_message(np.asarray(mask, np.uint8), "mono8", header)


def depth_message(depth: NDArray[np.float32], header: Header) -> Image:
    """Return a 32FC1 Image of float32 [H, W] metres; NaN and infinities as REP-117 has them."""
    return image_message(np.asarray(depth, np.float32), "32FC1", header)


def millimetre_message(depth: NDArray[np.float32], header: Header) -> Image:
    """Return a 16UC1 Image of float32 [H, W] metres: whole millimetres, 0 unknown (REP-118).

    Unknown is also what 16 bits do not hold: what is nearer than half a millimetre, or farther
    than 65.535 m.
    """
    millimetres = np.rint(np.asarray(depth, np.float32) * np.float32(1000))
    fits = (millimetres >= 1) & (millimetres <= np.iinfo(np.uint16).max)
    return image_message(np.where(fits, millimetres, 0).astype(np.uint16), "16UC1", header)


def vectors_message(vectors: NDArray[np.float32], header: Header) -> Image:
    """Return a 32FC3 Image of float32 [H, W, 3] vectors x, y, z."""
    return image_message(np.asarray(vectors, np.float32), "32FC3", header)


def png_message(mask: NDArray[np.uint8], header: Header) -> CompressedImage:
    """Return a mono8 mask of uint8 [H, W] as PNG, its format named as image_transport names it."""
    encoded, png = cv2.imencode(".png", np.ascontiguousarray(mask, np.uint8))
    if not encoded:
        raise RuntimeError(f"OpenCV could not write a PNG of {mask.shape}")
    message = CompressedImage(header=header, format="mono8; png compressed ")
    message.data = array("B")
    message.data.frombytes(memoryview(png).cast("B"))
    return message


def rgb_message(rgb: RgbImage, header: Header) -> Image:
    """Return an rgb8 Image of uint8 [H, W, 3]."""
    return image_message(np.asarray(rgb, np.uint8), "rgb8", header)


def camera_info_scale(info: CameraInfo, width: int, height: int) -> tuple[float, float]:
    """Return what to multiply the info's pixel coordinates by, in x and y, to meet the image.

    (1, 1) where the info describes this size itself, with its region of interest and binning
    counted in as ``sensor_msgs/CameraInfo`` defines them.
    """
    info_width = (info.roi.width or info.width) // max(info.binning_x, 1)
    info_height = (info.roi.height or info.height) // max(info.binning_y, 1)
    if not info_width or not info_height:
        return 1.0, 1.0
    return width / info_width, height / info_height


def camera_info_message(info: CameraInfo, header: Header, width: int, height: int) -> CameraInfo:
    """Return the info for an image of this size with this header; ``info`` is not changed.

    K and P are scaled where the sizes differ, as image_proc's resize node does; the distortion
    does not depend on the size. A region of interest and binning that explain the size stay.
    """
    result = CameraInfo(
        header=header,
        height=info.height,
        width=info.width,
        distortion_model=info.distortion_model,
        d=info.d,
        k=info.k,
        r=info.r,
        p=info.p,
        binning_x=info.binning_x,
        binning_y=info.binning_y,
        roi=info.roi,
    )
    if camera_info_scale(info, width, height) == (1.0, 1.0):
        return result
    scale = (width / (info.roi.width or info.width), height / (info.roi.height or info.height), 1.0)
    offset = (info.roi.x_offset, info.roi.y_offset, 0.0)
    for name in ("k", "p"):
        matrix = np.array(getattr(info, name)).reshape(3, -1)
        matrix[:, 2] -= offset
        setattr(result, name, (matrix * np.array(scale)[:, None]).ravel())
    result.width, result.height = width, height
    result.binning_x = result.binning_y = 0
    result.roi = RegionOfInterest()
    return result
