# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All metrics of one set of frames, and how predictions and truth come to be comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .class_lists import ClassList, id_table
from .geometry_metrics import DepthMetrics, NormalsMetrics
from .metrics import MotionMetrics, SegmentationMetrics, TemporalConsistency

_SCALE_FREE = ("depth/rel_error_aligned", "depth/coverage")


class Maps(Protocol):
    """Predictions, as :class:`mila_ros.streaming.Frame` has them, or the truth; None: not there.

    Attributes:
        segmentation: Class ids, uint8 [H, W], 255 for none.
        depth: Metres, float32 [H, W]; the truth not finite or 0 where unknown.
        motion: 255 moving, 0 static, uint8 [H, W]; the truth 127 where unknown.
        normals: Float32 [H, W, 3]; the truth not finite where unknown.
    """

    @property
    def segmentation(self) -> NDArray[np.uint8] | None: ...
    @property
    def depth(self) -> NDArray[np.float32] | None: ...
    @property
    def motion(self) -> NDArray[np.uint8] | None: ...
    @property
    def normals(self) -> NDArray[np.float32] | None: ...


@dataclass(frozen=True)
class Truth:
    """The truth about one frame, see :class:`Maps`.

    ``flow`` is by how many pixels each pixel moves to the next frame, float32 [H, W, 2].
    """

    segmentation: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    motion: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
    flow: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Scheme:
    """What is compared, and how.

    Attributes:
        predicted: The bundle's classes; empty where it predicts none.
        fine: The classes to compare in.
        coarser: Further lists, which are reported under their names.
        max_depth_m: Truth beyond this is left out.
        metric: Whether the bundle's depth is in metres; if not, only what is aligned is reported.
    """

    predicted: tuple[str, ...]
    fine: ClassList
    coarser: tuple[ClassList, ...] = ()
    max_depth_m: float = 50.0
    metric: bool = True


@dataclass(frozen=True)
class Earlier:
    """The frame before, as far as temporal consistency needs it."""

    predicted: NDArray[np.uint8]
    truth: Truth


class Scores:
    """All metrics of one set of frames.

    Args:
        scheme: What is compared.

    Attributes:
        frames: How many have been counted.
    """

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.frames = 0
        lists = (scheme.fine, *scheme.coarser)
        self.segmentation = [SegmentationMetrics(c.classes) for c in lists]
        self.consistency = TemporalConsistency(scheme.fine.classes)
        self.depth = DepthMetrics(scheme.max_depth_m)
        self.motion = MotionMetrics()
        self.normals = NormalsMetrics()

    def update(
        self, found: Maps, truth: Truth, classes: Sequence[str], earlier: Earlier | None = None
    ) -> None:
        """Count a frame.

        Args:
            found: The predictions.
            truth: What is known about the frame.
            classes: Of its labels, by id.
            earlier: The frame before in the same stream, with flow to this one.
        """
        self.frames += 1
        if found.segmentation is not None and truth.segmentation is not None:
            for target, metrics in zip(
                (self.scheme.fine, *self.scheme.coarser), self.segmentation, strict=True
            ):
                said, is_true = self._tables(target, classes)
                metrics.update(said[found.segmentation], is_true[truth.segmentation])
            if earlier is not None:
                self._update_consistency(found.segmentation, truth.segmentation, classes, earlier)
        if found.depth is not None and truth.depth is not None:
            self.depth.update(found.depth, truth.depth)
        if found.motion is not None and truth.motion is not None:
            self.motion.update(found.motion, truth.motion)
        if found.normals is not None and truth.normals is not None:
            self.normals.update(found.normals, truth.normals)

    def merge(self, other: Scores) -> None:
        """Count all frames of another of the same scheme."""
        self.frames += other.frames
        for mine, theirs in zip(self.segmentation, other.segmentation, strict=True):
            mine.merge(theirs)
        self.consistency.merge(other.consistency)
        self.depth.merge(other.depth)
        self.motion.merge(other.motion)
        self.normals.merge(other.normals)

    def result(self) -> dict[str, float]:
        """``frames`` and all metrics by name; NaN for those without truth to stand on.

        The metrics of a coarser list of classes have its name in theirs:
        ``segmentation/cityscapes7/miou``.
        """
        depth = self.depth.result()
        if not self.scheme.metric:
            depth = {key: depth[key] for key in _SCALE_FREE}
        fine, *coarser = (metrics.result() for metrics in self.segmentation)
        named = {
            key.replace("/", f"/{target.name}/"): value
            for target, result in zip(self.scheme.coarser, coarser, strict=True)
            for key, value in result.items()
        }
        parts = (fine, named, self.consistency.result(), depth, self.motion.result())
        joined = {key: value for part in parts for key, value in part.items()}
        return {"frames": float(self.frames)} | joined | self.normals.result()

    def _tables(
        self, target: ClassList, classes: Sequence[str]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return id_table(self.scheme.predicted, target.classes), id_table(classes, target.classes)

    def _update_consistency(
        self,
        found: NDArray[np.uint8],
        true: NDArray[np.uint8],
        classes: Sequence[str],
        earlier: Earlier,
    ) -> None:
        if earlier.truth.segmentation is None or earlier.truth.flow is None:
            return
        said, is_true = self._tables(self.scheme.fine, classes)
        self.consistency.update(
            (said[earlier.predicted], is_true[earlier.truth.segmentation]),
            (said[found], is_true[true]),
            earlier.truth.flow,
        )
