# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a segmentation stays with the surfaces that it is of, from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .metrics import UNLABELLED, class_iou, mean_of_known


class TemporalConsistency:
    """Whether a surface keeps its class from one frame to the next.

    The segmentation of a frame is carried to the next frame along the true optical flow, each
    pixel to the nearest one, and held against the segmentation there: the mean IoU of the two,
    after the temporal consistency of Liu et al., "Efficient semantic video segmentation with
    per-frame inference" (ECCV 2020), here with true flow and one confusion matrix over all pairs
    of frames. Only pixels count whose true class is the same at both ends, which leaves out what
    is hidden by something else then.

    Args:
        classes: Names by id.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._agreement = np.zeros((len(classes) + 1,) * 2, np.int64)

    def update(
        self,
        before: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        now: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        flow: NDArray[np.float32],
    ) -> None:
        """Add a pair of successive frames.

        Args:
            before: Predicted and true class ids of the earlier frame, uint8 [H, W], 255 for none.
            now: Those of the later one.
            flow: By how many pixels each pixel of the earlier frame moves, right and down,
                float32 [H, W, 2]; NaN where unknown.
        """
        height, width = flow.shape[:2]
        row, column = np.nonzero(np.isfinite(flow).all(-1) & (before[1] != UNLABELLED))
        moved = flow[row, column]
        to_column = np.rint(column + moved[:, 0].astype(np.float64))
        to_row = np.rint(row + moved[:, 1].astype(np.float64))
        inside = (to_column >= 0) & (to_column < width) & (to_row >= 0) & (to_row < height)
        source = row[inside], column[inside]
        target = to_row[inside].astype(np.intp), to_column[inside].astype(np.intp)
        same = before[1][source] == now[1][target]
        size = len(self._agreement)
        carried, found = (
            np.minimum(ids[same], size - 1).astype(np.int64)
            for ids in (before[0][source], now[0][target])
        )
        pairs = np.bincount(carried * size + found, minlength=size**2)
        self._agreement += pairs.reshape(size, size)

    def merge(self, other: TemporalConsistency) -> None:
        """Add all pairs of another of the same classes."""
        self._agreement += other._agreement

    def result(self) -> dict[str, float]:
        """``temporal/consistency``, 0..1."""
        values = class_iou(self._agreement[:-1], self._agreement)
        return {"temporal/consistency": mean_of_known(values)}
