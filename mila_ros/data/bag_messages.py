# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages for bags, made without ROS, and the topics of a bag that is to be evaluated.

All messages of a frame share its stamp, and the truth is said as the perception node says its
answers, so that a bag's truth and the node's outputs compare pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bags import typestore
from mila_ros.data.frames import Calibration

IMAGE, INFO = "/camera/image_raw", "/camera/camera_info"
MASK, DEPTH = "/ground_truth/segmentation/mask", "/ground_truth/depth/image"
MOTION, POSE = "/ground_truth/motion/mask", "/ground_truth/camera_pose"
LABEL_INFO = "/ground_truth/segmentation/label_info"
POINTS, TF_STATIC = "/lidar/points", "/tf_static"

START_NS = 1_000_000_000
"""Stamp of a bag's first frame: one of 0 means "not set" to ROS."""


class MessageFactory:
    """Makes messages of ``rosbags``.

    Raises:
        SourceError: ``rosbags`` is not installed.
    """

    def __init__(self) -> None:
        self._store = typestore()

    def new(self, type_name: str, **fields: Any) -> Any:
        """A message of any type, all of its fields given."""
        return self._store.types[type_name](**fields)

    def serialized(self, message: Any) -> bytes:
        """A message as CDR."""
        return bytes(self._store.serialize_cdr(message, message.__msgtype__))

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """A std_msgs/Header."""
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        stamp = self.new("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        return self.new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def image(self, header: Any, encoding: str, pixels: NDArray[Any]) -> Any:
        """An Image of [H, W] or [H, W, C], without padding."""
        height, width = pixels.shape[:2]
        data = np.ascontiguousarray(pixels).view(np.uint8).ravel()
        return self.new(
            "sensor_msgs/msg/Image", header=header, height=height, width=width, encoding=encoding,
            is_bigendian=0, step=data.size // height, data=data,
        )  # fmt: skip

    def compressed_image(self, header: Any, encoded: bytes) -> Any:
        """A CompressedImage of a JPEG or PNG file, as it is."""
        kind = "png" if encoded.startswith(b"\x89PNG") else "jpeg"
        data = np.frombuffer(encoded, np.uint8)
        return self.new("sensor_msgs/msg/CompressedImage", header=header, format=kind, data=data)

    def camera_info(self, header: Any, calibration: Calibration) -> Any:
        """A CameraInfo."""
        roi = self.new(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False,
        )  # fmt: skip
        return self.new(
            "sensor_msgs/msg/CameraInfo", header=header,
            height=calibration.height, width=calibration.width,
            distortion_model=calibration.distortion_model, d=np.array(calibration.d),
            k=np.array(calibration.k), r=np.array(calibration.r), p=np.array(calibration.p),
            binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip

    def point_cloud(self, header: Any, points: NDArray[np.float32]) -> Any:
        """An unorganised PointCloud2 of x, y, z of float32 [N, 3]."""
        fields = [
            self.new("sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=7, count=1)
            for i, name in enumerate("xyz")
        ]
        data = np.ascontiguousarray(points, "<f4").view(np.uint8).ravel()
        return self.new(
            "sensor_msgs/msg/PointCloud2", header=header, height=1, width=len(points),
            fields=fields, is_bigendian=False, point_step=12, row_step=12 * len(points),
            data=data, is_dense=True,
        )  # fmt: skip

    def label_info(self, header: Any, classes: Sequence[str]) -> Any:
        """A vision_msgs/LabelInfo of classes by id."""
        class_map = [
            self.new("vision_msgs/msg/VisionClass", class_id=number, class_name=name)
            for number, name in enumerate(classes)
        ]
        return self.new(
            "vision_msgs/msg/LabelInfo", header=header, class_map=class_map, threshold=0.0
        )

    def static_transform(
        self,
        header: Any,
        child: str,
        quaternion: tuple[float, float, float, float],
        translation: tuple[float, float, float],
    ) -> Any:
        """A TFMessage that places ``child`` in the header's frame; the quaternion is x, y, z, w."""
        x, y, z, w = quaternion
        transform = self.new(
            "geometry_msgs/msg/Transform",
            translation=self.new(
                "geometry_msgs/msg/Vector3", x=translation[0], y=translation[1], z=translation[2]
            ),
            rotation=self.new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )
        stamped = self.new(
            "geometry_msgs/msg/TransformStamped",
            header=header, child_frame_id=child, transform=transform,
        )  # fmt: skip
        return self.new("tf2_msgs/msg/TFMessage", transforms=[stamped])
