# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a simulated world with everything that is true about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from mila_ros.simulation.camera import Camera, Labels
from mila_ros.simulation.flow import Pose, optical_flow
from mila_ros.simulation.geometry import Floats
from mila_ros.simulation.normals import surface_normals
from mila_ros.simulation.rooms_world import build_rooms
from mila_ros.simulation.sensor import Sensor
from mila_ros.simulation.splits import split_of
from mila_ros.simulation.street_world import build_congestion, build_street
from mila_ros.simulation.taxonomy import Taxonomy
from mila_ros.simulation.world import World

_BUILDERS: dict[str, Callable[[int, int, int], World]] = {
    "street": build_street,
    "congestion": build_congestion,
    "rooms": build_rooms,
}


@dataclass(frozen=True)
class SimulatedFrame:
    """A frame and the truth about it.

    Attributes:
        index: Of the frame; it is taken ``index / fps`` seconds after the start.
        image: What the camera gives, rgb uint8 [H, W, 3].
        labels: Class, depth, motion and object of each pixel.
        pose: Camera to world [4, 4], camera axes as in OpenCV.
        intrinsics: K [3, 3]; pixel centres are at half pixels.
    """

    index: int
    image: NDArray[np.uint8]
    labels: Labels
    pose: Pose
    intrinsics: Floats

    def normals(self) -> NDArray[np.float32]:
        """Unit surface normals, float32 [H, W, 3], as `surface_normals` gives them."""
        return surface_normals(self.labels.depth, self.intrinsics, self.labels.geom)

    def flow(self, to: Pose) -> NDArray[np.float32]:
        """Pixels by which each pixel moves to another pose, float32 [H, W, 2]."""
        return optical_flow(self.labels, self.intrinsics, self.pose, to)


class Simulator:
    """A world with its camera. The same arguments and index always give the same frame.

    Args:
        world: ``street``, ``congestion`` or ``rooms``.
        seed: 0..999999; `splits` says which are for training.
        width: Pixels of the picture.
        height: Pixels of the picture.
        fps: Frames a second.
        blur: Pictures that are averaged over half a frame's time; 1 is without motion blur.
        samples: Anti-aliasing, 0 or 4: 0 renders a street twice as fast on a CPU.

    Raises:
        MilaError: No such seed.
        SimulationError: Nothing can be rendered here.
    """

    def __init__(
        self,
        world: str,
        seed: int,
        *,
        width: int,
        height: int,
        fps: float,
        blur: int = 1,
        samples: int = 4,
    ) -> None:
        split_of(seed)
        self.fps, self.blur = fps, blur
        self.world = _BUILDERS[world](seed, width, height)
        self.camera = Camera(self.world, samples)
        self.world.pose(0.0)
        self.sensor = Sensor(seed, self.camera.rgb(), outdoors=world != "rooms")

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes of the labels."""
        return self.world.taxonomy

    @property
    def opencv_intrinsics(self) -> Floats:
        """K [3, 3] as OpenCV and ROS count it: pixel centres at whole pixels."""
        return self.world.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]

    def frame(self, index: int) -> SimulatedFrame:
        """The frame ``index / fps`` seconds after the start."""
        t = index / self.fps
        clean = self._picture(t)
        self.world.pose(t)
        return SimulatedFrame(
            index=index,
            image=self.sensor(clean, index),
            labels=self.camera.labels(),
            pose=Pose.of(self.world),
            intrinsics=self.world.intrinsics,
        )

    def frames(self, count: int) -> Iterator[SimulatedFrame]:
        """The first ``count`` frames."""
        return (self.frame(index) for index in range(count))

    def pose(self, index: int) -> Pose:
        """Where camera and geoms are at a frame, without rendering it."""
        self.world.pose(index / self.fps)
        return Pose.of(self.world)

    def close(self) -> None:
        """Give the renderer's memory back."""
        self.camera.close()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _picture(self, t: float) -> NDArray[np.uint8]:
        """The clean picture at time t, the shutter open around it."""
        if self.blur == 1:
            self.world.pose(t)
            return self.camera.rgb()
        total = np.zeros((self.world.height, self.world.width, 3), np.float32)
        for k in range(self.blur):
            self.world.pose(t + ((k + 0.5) / self.blur - 0.5) * 0.5 / self.fps)
            total += self.camera.rgb()
        return (total / self.blur).astype(np.uint8)
