# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Classes of PASCAL: the 21 of VOC, and the parts of people, merged to six."""

from __future__ import annotations

from mila_ros.data.datasets.labels import Taxonomy, voc_colors

_VOC = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
)
_PARTS = ("background", "head", "torso", "upper arm", "lower arm", "upper leg", "lower leg")


def _coloured(name: str, classes: tuple[str, ...]) -> Taxonomy:
    colors = voc_colors(len(classes))
    return Taxonomy(name, classes, tuple((int(r), int(g), int(b)) for r, g, b in colors))


VOC21 = _coloured("voc21", _VOC)
HUMAN_PARTS7 = _coloured("human_parts7", _PARTS)

_MERGED = {
    "head": "head leye reye lear rear lebrow rebrow nose mouth hair",
    "torso": "torso neck",
    "upper arm": "luarm ruarm",
    "lower arm": "llarm rlarm lhand rhand",
    "upper leg": "luleg ruleg",
    "lower leg": "llleg rlleg lfoot rfoot",
}
PART_IDS = {
    part: HUMAN_PARTS7.id(merged) for merged, parts in _MERGED.items() for part in parts.split()
}
"""Id in `HUMAN_PARTS7` of each part of a person that PASCAL-Part names (l and r: left, right)."""
