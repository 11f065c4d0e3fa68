# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""In which lists of classes the worlds can be labelled.

Streets, jammed or not, speak Cityscapes (ids are its train ids), the rooms speak NYU-13. A street's
ids can be turned into Cityscapes' 7 categories and into the 11 classes that CamVid is evaluated
with.
"""

from __future__ import annotations

from mila_ros.data.datasets.labels import (
    CAMVID11,
    CITYSCAPES7,
    CITYSCAPES19,
    NYU13,
    TO_CAMVID11,
    TO_CITYSCAPES7,
    VOID,
    Taxonomy,
    lookup_table,
)

__all__ = [
    "CAMVID11",
    "CITYSCAPES7",
    "CITYSCAPES19",
    "NYU13",
    "TO_CAMVID11",
    "TO_CITYSCAPES7",
    "VOID",
    "WORLDS",
    "Taxonomy",
    "lookup_table",
    "own_taxonomy",
]

_STREET = {t.name: t for t in (CITYSCAPES19, CITYSCAPES7, CAMVID11)}
WORLDS: dict[str, dict[str, Taxonomy]] = {
    "street": _STREET,
    "congestion": _STREET,
    "rooms": {NYU13.name: NYU13},
}
"""The taxonomies in which each world can be labelled; the first is its own."""


def own_taxonomy(world: str) -> Taxonomy:
    """The taxonomy in which a world is built."""
    return next(iter(WORLDS[world].values()))
