# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the evaluator takes from the bag itself, and not from its topics."""

from __future__ import annotations

from pathlib import Path

from mila_ros.data.bag_messages import TF_STATIC
from mila_ros.data.bags import open_bag
from mila_ros.data.transforms import StaticTransforms
from mila_ros.evaluation.bag_sources import open_bag_source
from mila_ros.evaluation.class_lists import TAXONOMIES


def truth_classes(
    taxonomy: str, bag: str, image_topic: str, own: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the names of the ids in the true masks.

    Args:
        taxonomy: Of which they are; empty: as the bag says.
        bag: Path of the bag, or empty.
        image_topic: Of the camera in it.
        own: The model's classes, which they are where nothing says otherwise.

    Raises:
        MilaError: The bag cannot be read.
    """
    if taxonomy:
        return TAXONOMIES[taxonomy].classes
    if not bag:
        return own
    return open_bag_source(Path(bag).expanduser(), own, topic=image_topic).classes or own


def read_transforms(bag: Path, transforms: StaticTransforms) -> None:
    """Add what ``/tf_static`` of the bag holds.

    Raises:
        MilaError: The bag cannot be read.
    """
    with open_bag(bag) as reader:
        if TF_STATIC not in reader.topics:
            return
        for connection, _, data in reader.messages(reader.topics[TF_STATIC].connections):
            transforms.add(reader.deserialize(data, connection.msgtype).transforms)
