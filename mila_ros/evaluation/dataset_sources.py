# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public data sets as labelled videos to evaluate on, as a paper's protocol reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mila_ros.data.datasets.base import Clip
from mila_ros.data.datasets.cityscapes import Cityscapes
from mila_ros.data.datasets.convert import resized, resized_intrinsics
from mila_ros.data.datasets.registry import open_dataset
from mila_ros.data.read_ahead import ReadAhead
from mila_ros.evaluation.papers.protocol import Protocol

from .scores import Truth
from .sources import LabelledFrame

_ASSUMED_FPS = 10.0


@dataclass(frozen=True)
class DatasetSource:
    """A clip of a data set as a `LabelledSource`, resized; the truth is about its last frame.

    Attributes:
        clip: The clip.
        classes: Of its labels by id.
        size: Width and height.
        stereo: Baseline in metres and focal length in pixels at full size, where depth comes from
            Cityscapes' disparity; for `metres_to_mtan_unit`.
    """

    clip: Clip
    classes: tuple[str, ...]
    size: tuple[int, int]
    stereo: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return self.clip.name

    @property
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
            truth = Truth(
                segmentation=frame.label,
                depth=frame.depth,
                motion=frame.motion,
                normals=frame.normals,
            )
        stamp_ns = round((index + 1) * 1e9 / (self.clip.fps or _ASSUMED_FPS))
        return LabelledFrame(index, stamp_ns, frame.image, truth)


def protocol_sources(named: Protocol, root: Path) -> list[DatasetSource]:
    """The annotated frames of a protocol, each as the last of a clip of `Protocol.before` more.

    Args:
        named: The protocol.
        root: The folder of its data set.

    Raises:
        DatasetError: The data set is not there, or not whole.
    """
    options = {key: value for key, value in named.options.items() if value != "mtan"}
    dataset = open_dataset(named.dataset, root, named.split, named.classes, **options)
    classes = dataset.taxonomy.classes if dataset.taxonomy else ()
    size = named.size[1], named.size[0]
    sources = []
    for index in range(len(dataset)):
        stereo = None
        if isinstance(dataset, Cityscapes) and dataset.has("K"):
            baseline, intrinsics = dataset.camera(index)
            stereo = baseline, float(intrinsics[0, 0])
        sources.append(DatasetSource(dataset.clip(index, named.before), classes, size, stereo))
    return sources
