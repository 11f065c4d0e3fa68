# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The classes a model learns, and what a clip's own class names mean in them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.datasets.labels import CAMVID11, CITYSCAPES19, VOID, Taxonomy
from ..errors import MilaError
from ..evaluation.class_lists import TAXONOMIES, id_table, taxonomy_of

# What most pixels of a CamVid class are in Cityscapes' words.
_FROM_CAMVID11 = {
    "sky": "sky",
    "building": "building",
    "pole": "pole",
    "road": "road",
    "pavement": "sidewalk",
    "tree": "vegetation",
    "sign": "traffic sign",
    "fence": "fence",
    "car": "car",
    "pedestrian": "person",
    "bicyclist": "rider",
}


def resolve_classes(classes: str | Sequence[str]) -> Taxonomy:
    """The list of classes that a configuration names or spells out.

    Raises:
        MilaError: There is no list of this name, or it has too few or too many names.
    """
    if isinstance(classes, str):
        if classes not in TAXONOMIES:
            known = ", ".join(TAXONOMIES)
            raise MilaError(f"there is no list of classes {classes!r}; name {known}, or list them")
        return TAXONOMIES[classes]
    names = tuple(str(name) for name in classes)
    if not 2 <= len(names) < VOID or len(set(names)) != len(names):
        raise MilaError("classes must be a list of 2 to 254 different names")
    known_list = next((t for t in TAXONOMIES.values() if t.classes == names), None)
    if known_list is not None:
        return known_list
    return Taxonomy("own", names, tuple(_color(n / len(names)) for n in range(len(names))))


def counterparts(own: Sequence[str], target: Sequence[str]) -> NDArray[np.uint8]:
    """uint8 [256]: from ids of one list of classes to those of another, by name; else void.

    Cityscapes' classes are merged for a coarser target; CamVid's go to the Cityscapes class that
    most of their pixels belong to.
    """
    if own and (taxonomy_of(own), taxonomy_of(target)) == (CAMVID11.name, CITYSCAPES19.name):
        own = [_FROM_CAMVID11.get(name.strip().lower(), "") for name in own]
        table = np.full(256, VOID, np.uint8)
        table[: len(own)] = [target.index(n) if n in target else VOID for n in own]
        return table
    return id_table(own, target)


def label_table(own: Sequence[str], target: Taxonomy) -> NDArray[np.uint8]:
    """:func:`counterparts` of a clip's classes.

    Raises:
        MilaError: No class of the clip has one.
    """
    table = counterparts(own, target.classes)
    if own and (table == VOID).all():
        raise MilaError(
            f"none of the classes {', '.join(own)} is one of {target.name}: "
            f"{', '.join(target.classes)}; give classes that fit under `classes`"
        )
    return table


def _color(hue: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.8, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)
