# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What decides the content of simulated clips beside their seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mila_ros.simulation.simulator import Simulator

EXTRAS = ("normals", "flow")
FORMATS = ("clip", "bag")


@dataclass(frozen=True)
class Recipe:
    """What decides the content of a clip beside its seed.

    Attributes:
        world: ``street``, ``congestion`` or ``rooms``.
        frames: Frames a clip.
        fps: Frames a second.
        width: Pixels.
        height: Pixels.
        classes: Name of the taxonomy of the labels, one of ``taxonomy.WORLDS[world]``.
        format: ``clip`` for clip folders, ``bag`` for rosbag2 folders.
        extras: Further maps, of `EXTRAS`; clip folders only.
        blur: Pictures averaged for motion blur, 1 for none.
        samples: Anti-aliasing, 0 or 4.
    """

    world: str
    frames: int
    fps: float
    width: int
    height: int
    classes: str
    format: str = "clip"
    extras: tuple[str, ...] = ()
    blur: int = 1
    samples: int = 4

    def simulator(self, seed: int) -> Simulator:
        """The clip's simulator.

        Raises:
            MilaError: No such seed, or nothing can be rendered here.
        """
        # Imported here: who only looks at what is there needs no renderer.
        from mila_ros.simulation.simulator import Simulator

        return Simulator(
            self.world, seed, width=self.width, height=self.height, fps=self.fps,
            blur=self.blur, samples=self.samples,
        )  # fmt: skip
