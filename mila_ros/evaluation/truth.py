# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The maps of a frame that are compared: what is predicted, and what is true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Maps(Protocol):
    """Predictions, as :class:`mila_ros.streaming.Frame` has them, or the truth; None: not there.

    Attributes:
        segmentation: Class ids, uint8 [H, W], 255 for none.
        depth: Metres, float32 [H, W]; the truth not finite or 0 where unknown.
        motion: 255 moving, 0 static, uint8 [H, W]; the truth 127 where unknown.
        normals: Float32 [H, W, 3]; the truth not finite where unknown.
        edges: Probability 0..255, uint8 [H, W]; the truth 1 edge, 0 none, 255 unknown.
        saliency: As edges.
        human_parts: Ids of ``HUMAN_PARTS7``, uint8 [H, W], 255 for none.
    """

    @property
    def segmentation(self) -> NDArray[np.uint8] | None: ...
    @property
    def depth(self) -> NDArray[np.float32] | None: ...
    @property
    def motion(self) -> NDArray[np.uint8] | None: ...
    @property
    def normals(self) -> NDArray[np.float32] | None: ...
    @property
    def edges(self) -> NDArray[np.uint8] | None: ...
    @property
    def saliency(self) -> NDArray[np.uint8] | None: ...
    @property
    def human_parts(self) -> NDArray[np.uint8] | None: ...


@dataclass(frozen=True)
class Truth:
    """The truth about one frame, see :class:`Maps`.

    ``flow`` is by how many pixels each pixel moves to the next frame, float32 [H, W, 2].
    ``disparity`` is Cityscapes' in MTAN's unit, float32 [H, W], NaN unknown; ``stereo`` the
    baseline in metres and the focal length in pixels at full size that predicted metres become it
    by.
    """

    segmentation: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    motion: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
    edges: NDArray[np.uint8] | None = None
    saliency: NDArray[np.uint8] | None = None
    human_parts: NDArray[np.uint8] | None = None
    flow: NDArray[np.float32] | None = None
    disparity: NDArray[np.float32] | None = None
    stereo: tuple[float, float] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known about the frame."""
        return all(getattr(self, field.name) is None for field in fields(self))

    def is_about(self, tasks: Iterable[str]) -> bool:
        """Whether something is known that is predicted by one of the tasks, given by name."""
        return any(getattr(self, task, None) is not None for task in tasks)
