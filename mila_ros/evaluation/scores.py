# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All metrics of one set of frames, and how predictions and truth come to be comparable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.cityscapes import metres_to_mtan_unit
from mila_ros.data.datasets.pascal_labels import HUMAN_PARTS7

from .class_lists import ClassList, id_table
from .consistency import TemporalConsistency
from .depth_metrics import DepthMetrics, DisparityMetrics
from .metrics import MotionMetrics, SegmentationMetrics
from .normals_metrics import NormalsMetrics
from .threshold_metrics import EdgeMetrics, SaliencyMetrics
from .truth import Maps, Truth

_SCALE_FREE = ("depth/rel_error_aligned", "depth/coverage")


@dataclass(frozen=True)
class Scheme:
    """What is compared, and how.

    Attributes:
        predicted: The bundle's classes; empty where it predicts none.
        fine: The classes to compare in.
        coarser: Further lists, which are reported under their names.
        max_depth_m: Truth beyond this is left out.
        metric: Whether the bundle's depth is in metres; if not, only what is aligned is reported.
        edge_tolerance: See `EdgeMetrics`.
    """

    predicted: tuple[str, ...]
    fine: ClassList
    coarser: tuple[ClassList, ...] = ()
    max_depth_m: float = 50.0
    metric: bool = True
    edge_tolerance: float = 0.0075


class Metrics(Protocol):
    """What counts pairs of a predicted and a true map."""

    def update(self, predicted: NDArray[Any], true: NDArray[Any]) -> None: ...
    def merge(self, other: Any) -> None: ...
    def result(self) -> dict[str, float]: ...


_METRICS: Mapping[str, Callable[[Scheme], Metrics]] = {
    "depth": lambda scheme: DepthMetrics(scheme.max_depth_m),
    "disparity": lambda _: DisparityMetrics(),
    "motion": lambda _: MotionMetrics(),
    "normals": lambda _: NormalsMetrics(),
    "edges": lambda scheme: EdgeMetrics(scheme.edge_tolerance),
    "saliency": lambda _: SaliencyMetrics(),
    "human_parts": lambda _: SegmentationMetrics(HUMAN_PARTS7.classes, "human_parts"),
}
"""By the map that is compared; segmentation, which has lists of classes, is beside them."""


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
        self._metrics: dict[str, Metrics] = {}  # of the maps that there have been

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
        for name in _METRICS:
            true = getattr(truth, name)
            said = self._disparity(found, truth) if name == "disparity" else getattr(found, name)
            if said is not None and true is not None:
                self._of(name).update(said, true)

    def merge(self, other: Scores) -> None:
        """Count all frames of another of the same scheme."""
        self.frames += other.frames
        for mine, theirs in zip(self.segmentation, other.segmentation, strict=True):
            mine.merge(theirs)
        self.consistency.merge(other.consistency)
        for name, metrics in other._metrics.items():
            self._of(name).merge(metrics)

    def depth_by_distance(self) -> list[dict[str, float]]:
        """See `DepthMetrics.by_distance`."""
        depth = self._of("depth")
        assert isinstance(depth, DepthMetrics)
        return depth.by_distance()

    def result(self) -> dict[str, float]:
        """``frames`` and all metrics by name; NaN for those without truth to stand on.

        The metrics of a coarser list of classes have its name in theirs:
        ``segmentation/cityscapes7/miou``.
        """
        fine, *coarser = (metrics.result() for metrics in self.segmentation)
        named = {
            key.replace("/", f"/{target.name}/"): value
            for target, result in zip(self.scheme.coarser, coarser, strict=True)
            for key, value in result.items()
        }
        figures = {"frames": float(self.frames)} | fine | named | self.consistency.result()
        for name, make in _METRICS.items():
            result = (self._metrics.get(name) or make(self.scheme)).result()
            if name == "depth" and not self.scheme.metric:
                result = {key: result[key] for key in _SCALE_FREE}
            figures |= result
        return figures

    def _disparity(self, found: Maps, truth: Truth) -> NDArray[np.float32] | None:
        if found.depth is None or truth.stereo is None or not self.scheme.metric:
            return None
        # Nearer than a model's range, -inf, is no number.
        depth = np.where(found.depth > 0, found.depth, np.float32(np.nan))
        return metres_to_mtan_unit(depth, *truth.stereo)

    def _of(self, name: str) -> Metrics:
        if name not in self._metrics:
            self._metrics[name] = _METRICS[name](self.scheme)
        return self._metrics[name]

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
