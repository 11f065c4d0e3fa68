# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The 40 classes of NYUv2 (Gupta et al., CVPR 2013), and which of the 13 each of them is.

The 13 are those of Couprie et al. (ICLR 2013), merged from the 40 as SceneNet has them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.labels import NYU13, VOID, Taxonomy, voc_colors

TO_NYU13 = {
    "wall": "wall",
    "floor": "floor",
    "cabinet": "furniture",
    "bed": "bed",
    "chair": "chair",
    "sofa": "sofa",
    "table": "table",
    "door": "wall",
    "window": "window",
    "bookshelf": "furniture",
    "picture": "picture",
    "counter": "furniture",
    "blinds": "window",
    "desk": "table",
    "shelves": "furniture",
    "curtain": "window",
    "dresser": "furniture",
    "pillow": "objects",
    "mirror": "objects",
    "floor mat": "floor",
    "clothes": "objects",
    "ceiling": "ceiling",
    "books": "books",
    "refrigerator": "furniture",
    "television": "tv",
    "paper": "objects",
    "towel": "objects",
    "shower curtain": "objects",
    "box": "objects",
    "whiteboard": "objects",
    "person": "objects",
    "night stand": "furniture",
    "toilet": "objects",
    "sink": "objects",
    "lamp": "objects",
    "bathtub": "objects",
    "bag": "objects",
    "other structure": "objects",
    "other furniture": "furniture",
    "other prop": "objects",
}
"""The NYU-13 class of each of the 40, in the order of their ids."""

NYU40 = Taxonomy(
    "nyu40",
    tuple(TO_NYU13),
    tuple((int(r), int(g), int(b)) for r, g, b in voc_colors(len(TO_NYU13) + 1)[1:]),
)


def nyu_table(to_40: NDArray[np.integer], target: Taxonomy) -> NDArray[np.uint8]:
    """A table uint8 [1 + N] from the labels 0..N of the data set to ids of `NYU13` or `NYU40`.

    Args:
        to_40: For each of the N names, its class 1..40 (``mapClass`` of classMapping40.mat).
        target: `NYU13` or `NYU40`.
    """
    table = np.full(len(to_40) + 1, VOID, np.uint8)
    table[1:] = np.asarray(to_40, np.int64) - 1
    if target == NYU13:
        to_13 = np.array([NYU13.id(name) for name in TO_NYU13.values()], np.uint8)
        table[1:] = to_13[table[1:]]
    return table
