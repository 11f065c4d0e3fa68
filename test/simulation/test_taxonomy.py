# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class lists are those of the data sets, tables between them are complete, seeds have a split."""

import numpy as np
import pytest

from mila_ros.errors import MilaError
from mila_ros.simulation.splits import SPLITS, check_trainable, split_of
from mila_ros.simulation.taxonomy import (
    CAMVID11,
    CITYSCAPES7,
    CITYSCAPES19,
    NYU13,
    VOID,
    WORLDS,
    lookup_table,
    own_taxonomy,
)


@pytest.mark.parametrize(
    ("taxonomy", "count", "some_ids"),
    [
        (CITYSCAPES19, 19, {"road": 0, "pole": 5, "sky": 10, "car": 13, "bicycle": 18}),
        (CITYSCAPES7, 7, {"flat": 0, "human": 5, "vehicle": 6}),
        (CAMVID11, 11, {"sky": 0, "road": 3, "tree": 5, "car": 8, "bicyclist": 10}),
        (NYU13, 13, {"bed": 0, "ceiling": 2, "objects": 6, "window": 12}),
    ],
)  # fmt: skip
def test_ids_are_those_of_the_data_set(taxonomy, count, some_ids):
    assert len(taxonomy.classes) == len(set(taxonomy.classes)) == len(set(taxonomy.colors)) == count
    assert {name: taxonomy.id(name) for name in some_ids} == some_ids


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (CITYSCAPES7, {"sidewalk": "flat", "wall": "construction", "traffic light": "object",
                       "terrain": "nature", "rider": "human", "bicycle": "vehicle"}),
        (CAMVID11, {"sidewalk": "pavement", "wall": "building", "traffic light": "sign",
                    "terrain": "tree", "rider": "bicyclist", "bicycle": "bicyclist", "bus": "car"}),
    ],
)  # fmt: skip
def test_every_class_of_the_street_has_a_place_in_the_smaller_list(target, names):
    table = lookup_table(CITYSCAPES19, target)
    for name, other in names.items():
        assert table[CITYSCAPES19.id(name)] == target.id(other)
    assert set(table[:19]) == set(range(len(target.classes)))
    assert (table[19:] == VOID).all()


def test_a_taxonomy_maps_to_itself_and_not_to_a_stranger():
    table = lookup_table(NYU13, NYU13)
    assert (table[:13] == np.arange(13)).all() and (table[13:] == VOID).all()
    with pytest.raises(ValueError, match="nyu13 to camvid11"):
        lookup_table(NYU13, CAMVID11)


def test_every_world_can_be_labelled_with_what_it_names():
    for world, taxonomies in WORLDS.items():
        for name, taxonomy in taxonomies.items():
            assert taxonomy.name == name
            lookup_table(own_taxonomy(world), taxonomy)


def test_splits_are_apart_and_leave_no_seed_out():
    edges = [(0, "train"), (899_999, "train"), (900_000, "validation"), (949_999, "validation"),
             (950_000, "test"), (999_999, "test")]  # fmt: skip
    assert [split_of(seed) for seed, _ in edges] == [split for _, split in edges]
    assert sum(len(seeds) for seeds in SPLITS.values()) == 1_000_000
    for seed in (-1, 1_000_000):
        with pytest.raises(MilaError, match=f"no world with seed {seed}"):
            split_of(seed)


def test_only_training_seeds_may_be_trained_on():
    check_trainable(899_999)
    for seed, split in ((900_000, "validation"), (999_999, "test")):
        with pytest.raises(MilaError, match=f"seed {seed} is kept for {split}"):
            check_trainable(seed)
