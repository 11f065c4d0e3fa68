# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which list of classes predictions and truth are compared in, and how their ids get there.

Classes are mapped by name: Cityscapes' 19 to its 7 categories and to CamVid's 11, CamVid's 11 to
the 7 categories, NYUv2's 40 to its 13, and any list to one with the same names in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.labels import (
    CAMVID11,
    CITYSCAPES7,
    CITYSCAPES19,
    NYU13,
    TO_CAMVID11,
    TO_CITYSCAPES7,
    VOID,
)
from mila_ros.data.datasets.nyu_labels import NYU40, TO_NYU13
from mila_ros.errors import MilaError

TAXONOMIES = {t.name: t for t in (CITYSCAPES19, CAMVID11, CITYSCAPES7, NYU13, NYU40)}

# A cyclist with the bicycle is one class in CamVid; most of its pixels are a rider's.
_CAMVID11_TO_CITYSCAPES7 = {
    "sky": "sky",
    "building": "construction",
    "pole": "object",
    "road": "flat",
    "pavement": "flat",
    "tree": "nature",
    "sign": "object",
    "fence": "construction",
    "car": "vehicle",
    "pedestrian": "human",
    "bicyclist": "human",
}
_TABLES = {
    (CITYSCAPES19.name, CITYSCAPES7.name): TO_CITYSCAPES7,
    (CITYSCAPES19.name, CAMVID11.name): TO_CAMVID11,
    (CAMVID11.name, CITYSCAPES7.name): _CAMVID11_TO_CITYSCAPES7,
    (NYU40.name, NYU13.name): TO_NYU13,
}


@dataclass(frozen=True)
class ClassList:
    """Classes to compare in.

    Attributes:
        name: Of the taxonomy, or ``own`` where it is none that has a name.
        classes: Names by id.
    """

    name: str
    classes: tuple[str, ...]

    @classmethod
    def of(cls, classes: Sequence[str]) -> ClassList:
        """The list with the name that it is known by."""
        known = taxonomy_of(classes)
        whole = known is not None and len(classes) == len(TAXONOMIES[known].classes)
        return cls(known if known is not None and whole else "own", tuple(classes))


def taxonomy_of(classes: Sequence[str]) -> str | None:
    """Name of the taxonomy that all the classes belong to, None for none."""
    names = _plains(classes)
    return next((t.name for t in TAXONOMIES.values() if names <= set(t.classes)), None)


def id_table(source: Sequence[str], target: Sequence[str]) -> NDArray[np.uint8]:
    """A table uint8 [256] from ids of ``source`` to ids of ``target``; 255 where there is none."""
    ids = {_plain(name): index for index, name in enumerate(target)}
    kinds = taxonomy_of(source), taxonomy_of(target)
    table = np.full(256, VOID, np.uint8)
    if None in kinds or kinds[0] == kinds[1]:
        names = {name: name for name in map(_plain, source)}
    else:
        names = _TABLES.get((str(kinds[0]), str(kinds[1])), {})
    for index, name in enumerate(map(_plain, source)):
        table[index] = ids.get(names.get(name, ""), VOID)
    return table


def common_classes(
    predicted: Sequence[str], labelled: Sequence[tuple[str, tuple[str, ...]]]
) -> ClassList:
    """The finest list in which predictions and all the labels can be said.

    Args:
        predicted: The bundle's classes.
        labelled: What is labelled, by its name, with its classes.

    Raises:
        MilaError: There is none.
    """
    sources = dict.fromkeys([tuple(predicted), *(classes for _, classes in labelled)])
    for candidate in [*sources, CITYSCAPES7.classes]:
        if all(_is_whole(source, candidate) for source in sources):
            return ClassList.of(candidate)
    kinds = {taxonomy_of(source) for source in sources} - {None}
    shared = [name for name in predicted if all(_plain(name) in _plains(s) for s in sources)]
    # A wall of a room and a wall by a road have their name in common and nothing else.
    if len(kinds) < 2 and len(shared) > 1:
        return ClassList("own", tuple(shared))
    where, classes = next(pair for pair in labelled if not _is_whole(pair[1], predicted))
    raise MilaError(
        f"{where} is labelled with {_named(classes)}, the model {_named(predicted)}, and there is "
        "no list of classes in which all that is to be measured can be compared; measure it "
        "alone, or give its classes the model's names in labels.json"
    )


def check_coarser(target: ClassList, where: str, classes: Sequence[str]) -> None:
    """Refuse a list of classes in which one side says nothing.

    Raises:
        MilaError: No class of ``where`` has a counterpart in the list.
    """
    if (id_table(classes, target.classes) == VOID).all():
        raise MilaError(
            f"the classes of {where} ({_named(classes)}) cannot be turned into {target.name}; "
            "give another list for --classes, or none"
        )


def _is_whole(source: Sequence[str], target: Sequence[str]) -> bool:
    """Whether every class of ``source`` has a counterpart."""
    return bool((id_table(source, target)[: len(source)] != VOID).all())


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")


def _plains(classes: Sequence[str]) -> set[str]:
    return set(map(_plain, classes))


def _named(classes: Sequence[str]) -> str:
    listed = ", ".join(classes[:6])
    return listed + (f" and {len(classes) - 6} more" if len(classes) > 6 else "")
