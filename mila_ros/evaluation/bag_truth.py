# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground-truth messages of a bag: found by their stamps, and made into maps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bag_messages import DEPTH, MASK, MOTION, POINTS, TF_STATIC
from mila_ros.data.frames import Calibration, SourceError
from mila_ros.data.maps import depth_map, mask_map
from mila_ros.data.point_clouds import points_xyz, project
from mila_ros.data.transforms import StaticTransforms
from mila_ros.errors import MilaError

from .truth import Truth

_PATIENCE_NS = 1_000_000_000  # by which a truth may be recorded after later truth


class Matcher:
    """Finds the messages of a stamp in topics that are read once, in the order of recording.

    Args:
        messages: Topics and messages.
        topics: All topics that occur.
        tolerance_ns: Most by which a message's stamp may differ; the nearest is taken.
    """

    def __init__(
        self, messages: Iterator[tuple[str, Any]], topics: Sequence[str], tolerance_ns: int
    ) -> None:
        self._messages = messages
        self._tolerance_ns = tolerance_ns
        self._waiting: dict[str, deque[tuple[int, Any]]] = {topic: deque() for topic in topics}
        self._latest_ns = 0

    def of(self, stamp_ns: int) -> dict[str, Any]:
        """The messages by topic; stamps must be asked for in order."""
        while not self._complete(stamp_ns) and self._latest_ns <= stamp_ns + _PATIENCE_NS:
            topic, message = next(self._messages, ("", None))
            if message is None:
                break
            at_ns = stamp_ns_of(message)
            self._waiting[topic].append((at_ns, message))
            self._latest_ns = max(self._latest_ns, at_ns)
        found = {}
        for topic, waiting in self._waiting.items():
            while waiting and waiting[0][0] < stamp_ns - self._tolerance_ns:
                waiting.popleft()
            near = [pair for pair in waiting if abs(pair[0] - stamp_ns) <= self._tolerance_ns]
            if near:
                found[topic] = min(near, key=lambda pair: abs(pair[0] - stamp_ns))[1]
        return found

    def _complete(self, stamp_ns: int) -> bool:
        return all(
            any(at_ns == stamp_ns for at_ns, _ in waiting) for waiting in self._waiting.values()
        )


@dataclass(frozen=True)
class TruthReader:
    """Makes maps of the messages of a frame.

    Attributes:
        path: The bag, for people.
        classes: Of masks, by id.
        calibration: Of the camera, None where unknown.
        frame_id: The camera's optical frame.
        transforms: Where a LiDAR is.
    """

    path: Path
    classes: tuple[str, ...]
    calibration: Calibration | None
    frame_id: str
    transforms: StaticTransforms

    def truth(self, messages: dict[str, Any], size: tuple[int, int]) -> Truth:
        """The maps of messages by topic, all of the image's height and width.

        Raises:
            SourceError: A message is not what its topic is for; the sentence names it.
        """
        maps: dict[str, Any] = {}
        for topic, message in messages.items():
            try:
                if topic == MASK:
                    maps["segmentation"] = self._mask(message)
                elif topic == MOTION:
                    maps["motion"] = mask_map(message)
                else:
                    maps["depth"] = self._depth(topic, message, size)
            except SourceError:
                raise
            except MilaError as error:
                raise SourceError(
                    f"{self._where(topic, message)} cannot be used. {error}"
                ) from None
        for kind, pixels in maps.items():
            if pixels.shape != size:
                height, width = pixels.shape
                raise SourceError(
                    f"the {kind} truth in {self.path} is {width}x{height}, but its image "
                    f"is {size[1]}x{size[0]}"
                )
        return Truth(**maps)

    def _mask(self, message: Any) -> NDArray[np.uint8]:
        ids = mask_map(message)
        unknown = ids[(ids >= len(self.classes)) & (ids != 255)]
        if unknown.size:
            raise SourceError(
                f"{self._where(MASK, message)} holds class id {unknown[0]}, but there are names "
                f"for {len(self.classes)} classes; say which with --bag-classes "
                "(`mila convert`: --classes)"
            )
        return ids

    def _depth(self, topic: str, message: Any, size: tuple[int, int]) -> NDArray[np.float32]:
        if topic == DEPTH:
            return depth_map(message)
        camera = None if self.calibration is None else self.calibration.matrix(size[1], size[0])
        if camera is None:
            raise SourceError(f"{self.path} has {POINTS}, but no camera_info to project them by")
        transform = self.transforms.lookup(self.frame_id, message.header.frame_id)
        if transform is None:
            raise SourceError(
                f"{self.path} has no transform from {message.header.frame_id} to "
                f"{self.frame_id} on {TF_STATIC}; record it, or depth images"
            )
        points = points_xyz(message) @ transform[:3, :3].T + transform[:3, 3]
        return project(points, camera, size[1], size[0])

    def _where(self, topic: str, message: Any) -> str:
        return f"the message of {topic} at {stamp_ns_of(message) / 1e9:.3f} s in {self.path}"


def messages(reader: Any, topics: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Topics and messages of an open bag, in the order of recording."""
    connections = [c for topic in topics for c in reader.topics[topic].connections]
    for connection, _, data in reader.messages(connections):
        yield connection.topic, reader.deserialize(data, connection.msgtype)


def stamp_ns_of(message: Any) -> int:
    """The stamp of a message's header in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
