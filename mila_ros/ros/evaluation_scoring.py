# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matched frames held against what is true, with the metrics of `mila_ros.evaluation`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mila_ros.data.image_encodings import ImageError
from mila_ros.data.maps import depth_map, mask_map
from mila_ros.data.point_clouds import PointCloudError, points_xyz, project
from mila_ros.data.transforms import Matrix, StaticTransforms
from mila_ros.errors import MilaError
from mila_ros.evaluation.class_lists import common_classes
from mila_ros.evaluation.plan import Plan, Played, Scored
from mila_ros.evaluation.results import document
from mila_ros.evaluation.scores import Scheme, Scores
from mila_ros.evaluation.truth import Truth
from mila_ros.ros.conversions import camera_info_message
from mila_ros.ros.evaluation_matching import MatchedFrame
from mila_ros.ros.geometry import pinhole
from mila_ros.streaming.description import Bundle

MASK, DEPTH, MOTION = "segmentation/mask", "depth/image", "motion/mask"
OUTPUTS = (MASK, DEPTH, MOTION)
POINTS = "lidar/points"
FIELDS = {MASK: "segmentation", DEPTH: "depth", MOTION: "motion", POINTS: "depth"}
"""The maps that topics hold; a truth is named as the output that it is of, or is the points."""

_READ: dict[str, Callable[[Any], NDArray[Any]]] = {
    MASK: mask_map,
    DEPTH: depth_map,
    MOTION: mask_map,
}
_OUTPUT_OF = {FIELDS[topic]: topic for topic in OUTPUTS}


@dataclass(frozen=True)
class Lidar:
    """How points become a depth image.

    Attributes:
        transforms: Where the LiDAR's frame is to be looked up.
        to_camera: [4, 4] to be used instead, None to look it up.
    """

    transforms: StaticTransforms
    to_camera: Matrix | None

    def depth(self, cloud: PointCloud2, frame_id: str, info: CameraInfo) -> NDArray[np.float32]:
        """Metres, float32 [H, W], of the camera that ``info`` describes.

        Raises:
            PointCloudError: no calibration, no transform, or not a cloud of x, y, z.
        """
        width = (info.roi.width or info.width) // max(info.binning_x, 1)
        height = (info.roi.height or info.height) // max(info.binning_y, 1)
        camera = pinhole(info, 0.0, width, height)
        if camera is None:
            raise PointCloudError("The camera is not calibrated, so no point can be projected.")
        points = points_xyz(cloud)
        to_camera = self.to_camera
        if to_camera is None:
            to_camera = self.transforms.lookup(frame_id, cloud.header.frame_id)
        if to_camera is None:
            raise PointCloudError(
                f"There is no static transform from '{cloud.header.frame_id}' to '{frame_id}'; "
                "give it with the parameter lidar_to_camera."
            )
        in_camera = points @ to_camera[:3, :3].T + to_camera[:3, 3]
        intrinsics = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
        return project(in_camera, intrinsics, width, height)


class Scoring:
    """The accuracy of all frames, by keyframe age.

    Args:
        bundle: Of the perception node.
        truth_classes: Names by id of the true masks.
        max_depth_m: True depth beyond it is left out.
        lidar: Takes depth from points; None takes it from depth images.
        name: What the frames come from, for people.

    Attributes:
        not_scored: Truths that could not be compared, by reason.
    """

    def __init__(
        self,
        bundle: Bundle,
        truth_classes: tuple[str, ...],
        max_depth_m: float,
        lidar: Lidar | None,
        name: str,
    ) -> None:
        self._bundle = bundle
        self._truth_classes = truth_classes
        own = tuple(label.name for label in bundle.labels)
        fine = common_classes(own, [(name, truth_classes)])
        is_metric = bundle.depth is None or bundle.depth.metric
        self._scheme = Scheme(own, fine, (), max_depth_m, is_metric)
        self._lidar = lidar
        self._name = name
        self._info: CameraInfo | None = None
        self._by_age: dict[int, Scores] = {}
        self._frames: list[Scored] = []
        self.not_scored: Counter[str] = Counter()

    def set_info(self, data: bytes) -> None:
        """Keep the camera's calibration, serialised, for the frames to come."""
        self._info = deserialize_message(data, CameraInfo)

    def update(self, frame: MatchedFrame) -> None:
        """Count a frame that was answered; what cannot be compared goes to ``not_scored``."""
        if frame.keyframe_age is None:
            self.not_scored["answered before the first keyframe that was seen"] += 1
            return
        messages = {
            topic: deserialize_message(data, Image) for topic, data in frame.outputs.items()
        }
        found = {FIELDS[topic]: _READ[topic](message) for topic, message in messages.items()}
        truth = {}
        for topic, data in frame.truths.items():
            field = FIELDS[topic]
            if field not in found:
                continue
            try:
                truth[field] = self._truth(topic, data, messages[_OUTPUT_OF[field]])
            except (ImageError, PointCloudError) as error:
                self.not_scored[str(error)] += 1
        scores = Scores(self._scheme)
        scores.update(Truth(**found), Truth(**truth), self._truth_classes)
        age = frame.keyframe_age
        self._by_age.setdefault(age, Scores(self._scheme)).merge(scores)
        self._frames.append(Scored(len(self._frames), 0, age, scores.result()))

    def document(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The figures as ``mila evaluate --offsets stream`` has them.

        The keyframe interval is the longest that was seen.
        """
        if not self._by_age:
            return {}
        interval = max(self._by_age) + 1
        played = Played(self._name, {interval: self._by_age}, {interval: self._frames})
        plan = Plan(self._scheme, (interval,), "stream")
        return document(self._bundle, plan, [played], settings)

    def _truth(self, topic: str, data: bytes, answer: Image) -> NDArray[Any]:
        """The true map, of the answer's size.

        Raises:
            ImageError: not such an image, or of another size.
            PointCloudError: see `Lidar.depth`.
        """
        if topic != POINTS:
            true = _READ[topic](deserialize_message(data, Image))
        elif self._info is None or self._lidar is None:
            raise PointCloudError("No camera_info has come, so no point can be projected.")
        else:
            size = answer.width, answer.height
            info = camera_info_message(self._info, answer.header, *size)
            cloud = deserialize_message(data, PointCloud2)
            true = self._lidar.depth(cloud, answer.header.frame_id, info)
        if true.shape != (answer.height, answer.width):
            raise ImageError(
                "size",
                f"ground_truth/{topic} is {true.shape[1]}x{true.shape[0]}, but the images are "
                f"{answer.width}x{answer.height}.",
            )
        return true


def parse_matrix(text: str) -> Matrix | None:
    """Return 12 numbers, the rows of [R | t], as [4, 4]; None for an empty text.

    Raises:
        MilaError: not 12 finite numbers, or R is no rotation.
    """
    if not text.strip():
        return None
    try:
        rows = np.array([float(word) for word in text.replace(",", " ").split()]).reshape(3, 4)
        is_rotation = np.allclose(rows[:, :3] @ rows[:, :3].T, np.eye(3), atol=1e-3)
        is_rotation = is_rotation and np.linalg.det(rows[:, :3]) > 0
    except ValueError:
        is_rotation = False
    if not is_rotation:
        raise MilaError(
            f"The parameter lidar_to_camera is '{text}', but takes 12 numbers, the rows of [R | t] "
            "with a rotation R."
        )
    return np.vstack([rows, [0.0, 0.0, 0.0, 1.0]])
