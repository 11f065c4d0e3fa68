# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public data sets as labelled videos to evaluate on, as a paper's protocol reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mila_ros.data.datasets.base import Clip, Dataset
from mila_ros.data.datasets.cityscapes import Cityscapes, mtan_unit_to_metres
from mila_ros.data.datasets.convert import resized, resized_intrinsics
from mila_ros.data.datasets.registry import open_dataset
from mila_ros.data.read_ahead import ReadAhead

from .papers.protocol import Protocol
from .sources import LabelledFrame
from .truth import Truth

_ASSUMED_FPS = 10.0
_GIVES = {"segmentation": "label"}  # what a part of a data set gives, where it is not the task
_BEFORE = "frames before"


@dataclass(frozen=True)
class DatasetSource:
    """A clip of a data set as a `LabelledSource`, resized; the truth is about its last frame.

    Attributes:
        clip: The clip.
        classes: Of its labels by id.
        size: Width and height.
        stereo: Baseline in metres and focal length in pixels at full size, where depth is read as
            Cityscapes' disparity in MTAN's unit.
    """

    clip: Clip
    classes: tuple[str, ...]
    size: tuple[int, int]
    stereo: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return self.clip.name

    @cached_property
    def focal_px(self) -> float | None:
        if self.clip.intrinsics is None:
            return None
        height, width = self.clip.frame(0).image.shape[:2]
        matrix = resized_intrinsics(self.clip.intrinsics, (width, height), self.size)
        return float(matrix[0, 0])

    @property
    def stills(self) -> bool:
        return len(self.clip) == 1

    def __len__(self) -> int:
        return len(self.clip)

    def frames(self) -> Iterator[LabelledFrame]:
        """All frames in order, read a few ahead.

        Raises:
            DatasetError: A file is missing or damaged.
        """
        ahead = ReadAhead(range(len(self.clip)), self._frame, depth=3)
        try:
            yield from ahead
        finally:
            ahead.close()

    def _frame(self, index: int) -> LabelledFrame:
        frame = resized(self.clip.frame(index), self.size)
        truth = Truth()
        # Where earlier frames are annotated too, they are the last of other clips.
        if index == len(self.clip) - 1:
            depth, disparity = frame.depth, None
            if self.stereo is not None and depth is not None:
                depth, disparity = mtan_unit_to_metres(depth, *self.stereo), depth
            truth = Truth(
                segmentation=frame.label,
                depth=depth,
                motion=frame.motion,
                normals=frame.normals,
                edges=frame.edges,
                saliency=frame.saliency,
                human_parts=frame.human_parts,
                disparity=disparity,
                stereo=self.stereo,
            )
        stamp_ns = round((index + 1) * 1e9 / (self.clip.fps or _ASSUMED_FPS))
        return LabelledFrame(index, stamp_ns, np.ascontiguousarray(frame.image), truth)


def protocol_dataset(
    named: Protocol, root: Path, tasks: Collection[str], in_video: bool
) -> Dataset:
    """The data set of a protocol, with all that is needed of it.

    Args:
        named: The protocol.
        root: The folder that its archives were unpacked in.
        tasks: Those of a model; what the others would need may be missing.
        in_video: The frames before an annotated one are needed, where the protocol has any.

    Raises:
        DatasetError: The data set is not there, or lacks a part; the sentence says where it is
            to be had.
    """
    dataset = open_dataset(named.dataset, root, named.split, named.classes, **named.options)
    needed = [_GIVES.get(task, task) for task in named.tasks if task in tasks]
    if "mtan" in named.options.values() and "depth" in needed:
        needed.append("K")
    if in_video and named.before:
        needed.append(_BEFORE)
    for part in dataset.about.parts:
        if part.gives in needed and not dataset.path(part).exists():
            raise dataset.missing(dataset.path(part), part.gives, part.archive)
    return dataset


def protocol_sources(named: Protocol, dataset: Dataset, before: int) -> list[DatasetSource]:
    """The annotated frames of a protocol, each as the last of a clip.

    Args:
        named: The protocol.
        dataset: Its data set, see `protocol_dataset`.
        before: Most frames before the annotated one.

    Raises:
        DatasetError: A file is missing or damaged.
    """
    classes = dataset.taxonomy.classes if dataset.taxonomy else ()
    size = named.size[1], named.size[0]
    sources = []
    for index in range(len(dataset)):
        stereo = None
        if isinstance(dataset, Cityscapes) and dataset.depth == "mtan" and dataset.has("K"):
            baseline, intrinsics = dataset.camera(index)
            stereo = baseline, float(intrinsics[0, 0])
        sources.append(DatasetSource(dataset.clip(index, before), classes, size, stereo))
    return sources
