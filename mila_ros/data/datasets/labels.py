# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What things are called: class names, their ids and colours, and tables between lists of classes.

Ids of `CITYSCAPES19` are the data set's train ids. They can be turned into Cityscapes' 7 categories
and into the 11 classes that CamVid is evaluated with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VOID = 255
"""The id of what has no class."""


@dataclass(frozen=True)
class Taxonomy:
    """A list of classes.

    Attributes:
        name: How the command line calls it.
        classes: Names by id.
        colors: An RGB colour for each.
    """

    name: str
    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def id(self, class_name: str) -> int:
        """The id of a class by its name."""
        return self.classes.index(class_name)


def _taxonomy(name: str, classes: dict[str, tuple[int, int, int]]) -> Taxonomy:
    return Taxonomy(name, tuple(classes), tuple(classes.values()))


CITYSCAPES19 = _taxonomy(
    "cityscapes19",
    {
        "road": (128, 64, 128),
        "sidewalk": (244, 35, 232),
        "building": (70, 70, 70),
        "wall": (102, 102, 156),
        "fence": (190, 153, 153),
        "pole": (153, 153, 153),
        "traffic light": (250, 170, 30),
        "traffic sign": (220, 220, 0),
        "vegetation": (107, 142, 35),
        "terrain": (152, 251, 152),
        "sky": (70, 130, 180),
        "person": (220, 20, 60),
        "rider": (255, 0, 0),
        "car": (0, 0, 142),
        "truck": (0, 0, 70),
        "bus": (0, 60, 100),
        "train": (0, 80, 100),
        "motorcycle": (0, 0, 230),
        "bicycle": (119, 11, 32),
    },
)

CITYSCAPES7 = _taxonomy(
    "cityscapes7",
    {
        "flat": (128, 64, 128),
        "construction": (70, 70, 70),
        "object": (153, 153, 153),
        "nature": (107, 142, 35),
        "sky": (70, 130, 180),
        "human": (220, 20, 60),
        "vehicle": (0, 0, 142),
    },
)

CAMVID11 = _taxonomy(
    "camvid11",
    {
        "sky": (128, 128, 128),
        "building": (128, 0, 0),
        "pole": (192, 192, 128),
        "road": (128, 64, 128),
        "pavement": (60, 40, 222),
        "tree": (128, 128, 0),
        "sign": (192, 128, 128),
        "fence": (64, 64, 128),
        "car": (64, 0, 128),
        "pedestrian": (64, 64, 0),
        "bicyclist": (0, 128, 192),
    },
)

NYU13 = _taxonomy(
    "nyu13",
    {
        "bed": (0, 0, 255),
        "books": (232, 88, 47),
        "ceiling": (0, 217, 0),
        "chair": (148, 0, 240),
        "floor": (222, 241, 23),
        "furniture": (255, 205, 205),
        "objects": (0, 223, 228),
        "picture": (106, 135, 204),
        "sofa": (116, 28, 41),
        "table": (240, 35, 235),
        "tv": (0, 166, 156),
        "wall": (249, 139, 0),
        "window": (225, 228, 194),
    },
)

TO_CITYSCAPES7 = {
    "road": "flat",
    "sidewalk": "flat",
    "building": "construction",
    "wall": "construction",
    "fence": "construction",
    "pole": "object",
    "traffic light": "object",
    "traffic sign": "object",
    "vegetation": "nature",
    "terrain": "nature",
    "sky": "sky",
    "person": "human",
    "rider": "human",
    "car": "vehicle",
    "truck": "vehicle",
    "bus": "vehicle",
    "train": "vehicle",
    "motorcycle": "vehicle",
    "bicycle": "vehicle",
}
"""The category of each Cityscapes class, as the data set defines it."""

TO_CAMVID11 = {
    "road": "road",
    "sidewalk": "pavement",
    "building": "building",
    "wall": "building",
    "fence": "fence",
    "pole": "pole",
    "traffic light": "sign",
    "traffic sign": "sign",
    "vegetation": "tree",
    "terrain": "tree",
    "sky": "sky",
    "person": "pedestrian",
    "rider": "bicyclist",
    "car": "car",
    "truck": "car",
    "bus": "car",
    "train": "car",
    "motorcycle": "bicyclist",
    "bicycle": "bicyclist",
}
"""The CamVid-11 class of each Cityscapes class.

CamVid's 11 classes are 32 merged: walls count as building, traffic lights as sign (SignSymbol),
vegetation of any kind as tree, trucks and trains as car, motorcycles as bicyclist.
"""

CITYSCAPES_LABEL_IDS = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic light",
    20: "traffic sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
"""The class of each label id of Cityscapes (and KITTI) that is evaluated; other ids are void."""


def lookup_table(source: Taxonomy, target: Taxonomy) -> NDArray[np.uint8]:
    """A table uint8 [256] from ids of ``source`` to ids of ``target``; what has none is void.

    Raises:
        ValueError: There is no table between the two.
    """
    if target == source:
        names = {name: name for name in source.classes}
    elif source == CITYSCAPES19 and target in (CITYSCAPES7, CAMVID11):
        names = TO_CITYSCAPES7 if target == CITYSCAPES7 else TO_CAMVID11
    else:
        raise ValueError(f"no table from {source.name} to {target.name}")
    table = np.full(256, VOID, np.uint8)
    for index, name in enumerate(source.classes):
        table[index] = target.id(names[name])
    return table


def voc_colors(count: int) -> NDArray[np.uint8]:
    """PASCAL VOC's colour of each id, uint8 [count, 3]: the bits of the id, dealt to R, G and B."""
    ids = np.arange(count)
    colors = np.zeros((count, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((ids >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def id_table(source: Mapping[int, str], target: Taxonomy) -> NDArray[np.uint8]:
    """A table uint8 [256] from a data set's ids, each with a class name, to ids of ``target``."""
    table = np.full(256, VOID, np.uint8)
    for index, name in source.items():
        table[index] = target.id(name)
    return table
