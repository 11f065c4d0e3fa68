# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes into :class:`.Perception`, and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .continuity import ResetCause
from .description import Bundle
from .preprocessing import check_image

STAGES = ("preprocess", "network", "postprocess")
"""Of a frame's time, one after the other."""


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """An image to be perceived.

    Attributes:
        rgb: uint8 [H, W, 3], any strides; only read.
        stamp_ns: When the frame was taken, in nanoseconds; 0 for unknown.
        camera: Which stream the frame belongs to.
        tasks: Names of the tasks to compute; None for all of the bundle's.
        focal_px: Horizontal focal length of this image in pixels, which sets the scale of metric
            depth; None when it is not known.
        confidence: Whether that of the segmentation is wanted, which takes time.
    """

    rgb: NDArray[np.uint8]
    stamp_ns: int
    camera: str = "camera"
    tasks: Collection[str] | None = None
    focal_px: float | None = None
    confidence: bool = True


@dataclass(frozen=True)
class FailedFrame:
    """A frame that could not be computed; its stream begins afresh with the next one.

    Attributes:
        camera: As requested.
        error: What the computation raised.
    """

    camera: str
    error: Exception


@dataclass(frozen=True)
class Frame:
    """The perception of one image. Every map has the image's height and width.

    Attributes:
        camera: As given to ``step``.
        stamp_ns: As given to ``step``.
        is_keyframe: Whether the slow network made these maps.
        keyframe_age: Frames since the keyframe whose features are in use; 0 on one. As long as the
            slow network has failed on all, since the stream began.
        keyframe_age_s: Seconds since it, by the frames' stamps; by this machine's monotonic clock
            while the stamps are 0.
        reset_cause: Why the stream began afresh with this frame; None when it went on.
        timings_ms: ``preprocess``, ``network``, ``postprocess`` and ``total`` of this frame, in
            milliseconds of the monotonic clock; the first two are those of its whole batch.
        depth_scale_assumed: The depth is metric but the focal length was not given, so that the
            bundle's assumed field of view set its scale.
        keyframe_stamp_ns: The stamp of the keyframe in use; None where there is none.
        is_keyframe_new: Whether it came into use with this frame.
        keyframe_failure: Why there is no newer keyframe, in a sentence; None when nothing failed.
        segmentation: Class ids, uint8 [H, W]; 255 where the network gave no number.
        confidence: Probability of that class, uint8 [H, W], 0..255 for 0..1; None where it was not
            wanted.
        depth: Depth along the optical axis, float32 [H, W]; metres when ``bundle.depth.metric``.
            +inf is farther and -inf nearer than the bundle's range (REP-117), NaN is unknown;
            never 0.
        motion: 255 where something moves by itself, else 0; uint8 [H, W].
        normals: Unit surface normals in the camera's frame, float32 [H, W, 3], NaN unknown; the
            axes are those that the network was taught, in the simulated worlds x right, y down,
            z forward, towards the camera.
        edges: Probability of an edge, uint8 [H, W], 0..255 for 0..1; 0 where it is no number.
        saliency: Probability of what catches the eye, as edges.
        human_parts: Ids of the parts of people, uint8 [H, W]: 0 background, 1 head, 2 torso,
            3 upper arm, 4 lower arm, 5 upper leg, 6 lower leg; 255 where it is no number.

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
    keyframe_stamp_ns: int | None = None
    is_keyframe_new: bool = False
    keyframe_failure: str | None = None
    segmentation: NDArray[np.uint8] | None = None
    confidence: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    motion: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
    edges: NDArray[np.uint8] | None = None
    saliency: NDArray[np.uint8] | None = None
    human_parts: NDArray[np.uint8] | None = None


def check_request(bundle: Bundle, request: FrameRequest) -> FrameRequest:
    """The request with all its tasks named, when it is well.

    Raises:
        ValueError: See :meth:`.Perception.step`.
    """
    check_image(request.rgb)
    if request.stamp_ns < 0:
        raise ValueError(f"a stamp must not be negative, but it is {request.stamp_ns} ns")
    focal_px = request.focal_px
    if focal_px is not None and not (focal_px > 0 and math.isfinite(focal_px)):
        raise ValueError(f"a focal length must be positive and finite, not {focal_px} px")
    if isinstance(request.tasks, str):
        raise ValueError(f"tasks must be a collection of names, not one text {request.tasks!r}")
    known = frozenset(bundle.task_names)
    wanted = known if request.tasks is None else frozenset(request.tasks)
    if not wanted or not wanted <= known:
        raise ValueError(
            f"the model {bundle.name} has the tasks {', '.join(bundle.task_names)}; "
            f"ask for some of them, not for {', '.join(sorted(wanted - known)) or 'none'}"
        )
    return replace(request, tasks=wanted)
