# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mila_ros.data.datasets.base import Dataset, DatasetError
from mila_ros.data.datasets.camvid import CamVid
from mila_ros.data.datasets.cityscapes import Cityscapes
from mila_ros.data.datasets.davis import Davis
from mila_ros.data.datasets.kitti_2015 import Kitti2015
from mila_ros.data.datasets.kitti_raw import KittiRaw
from mila_ros.data.datasets.nyuv2 import NYUv2
from mila_ros.data.datasets.pascal_context import PascalContext
from mila_ros.data.datasets.synthia import SynthiaRandom, SynthiaSequences

DATASETS: Mapping[str, type[Dataset]] = {
    kind.about.name: kind
    for kind in (
        Cityscapes,
        NYUv2,
        KittiRaw,
        Kitti2015,
        SynthiaSequences,
        SynthiaRandom,
        CamVid,
        Davis,
        PascalContext,
    )
}
"""The classes of data sets by name."""


def dataset_class(name: str) -> type[Dataset]:
    """The class of a data set.

    Raises:
        DatasetError: There is none of this name.
    """
    if name not in DATASETS:
        raise DatasetError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def open_dataset(
    name: str, root: str | Path, split: str, classes: str | None = None, **options: str
) -> Dataset:
    """A split of a data set.

    Args:
        name: A key of `DATASETS`.
        root: The folder that its archives were unpacked in.
        split: One of its splits.
        classes: In which of its lists of classes to read labels.
        options: Others that its class takes, such as ``depth="mtan"``.

    Raises:
        DatasetError: No such data set, split or classes, or a folder is missing.
    """
    return dataset_class(name)(root, split, classes, **options)
