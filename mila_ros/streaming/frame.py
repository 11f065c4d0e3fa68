# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What comes out of :meth:`Perception.step`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .continuity import ResetCause


@dataclass(frozen=True)
class Frame:
    """The perception of one image. Every map has the image's height and width.

    Attributes:
        camera: As given to ``step``.
        stamp_ns: As given to ``step``.
        is_keyframe: Whether the slow network ran.
        keyframe_age: Frames since the last keyframe; 0 on one.
        keyframe_age_s: Seconds since the last keyframe, by the frames' stamps; by this machine's
            monotonic clock while the stamps are 0.
        reset_cause: Why the stream began afresh with this frame; None when it went on.
        timings_ms: ``preprocess``, ``network``, ``postprocess`` and ``total`` of this frame, in
            milliseconds of the monotonic clock.
        depth_scale_assumed: The depth is metric but the focal length was not given, so that the
            bundle's assumed field of view set its scale.
        segmentation: Class ids, uint8 [H, W]; 255 where the network gave no number.
        confidence: Probability of that class, uint8 [H, W], 0..255 for 0..1.
        depth: Depth along the optical axis, float32 [H, W]; metres when ``bundle.depth.metric``.
            +inf is farther and -inf nearer than the bundle's range (REP-117), NaN is unknown;
            never 0.
        motion: 255 where something moves by itself, else 0; uint8 [H, W].
        normals: Unit surface normals, float32 [H, W, 3].

    The maps of tasks that were not asked for, or that the model does not have, are None.
    """

    camera: str
    stamp_ns: int
    is_keyframe: bool
    keyframe_age: int
    keyframe_age_s: float
    reset_cause: ResetCause | None
    timings_ms: dict[str, float]
    depth_scale_assumed: bool = False
    segmentation: NDArray[np.uint8] | None = None
    confidence: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    motion: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
