# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class names of models and data sets meet in the finest list that both can be said in."""

from __future__ import annotations

import pytest

from mila_ros.data.datasets.labels import CAMVID11, CITYSCAPES7, CITYSCAPES19, NYU13
from mila_ros.data.datasets.nyu_labels import NYU40
from mila_ros.errors import MilaError
from mila_ros.evaluation.class_lists import ClassList, check_coarser, common_classes, id_table

C19, C11, C7, N13, N40 = (t.classes for t in (CITYSCAPES19, CAMVID11, CITYSCAPES7, NYU13, NYU40))


def mapped(source, target):
    """The name of each class of ``source`` in ``target``; None where it has none."""
    table = id_table(source, target)
    assert (table[len(source) :] == 255).all()
    return {
        name: None if table[number] == 255 else target[table[number]]
        for number, name in enumerate(source)
    }


def test_tables_go_by_name():
    assert mapped(C19, C7)["terrain"] == "nature" and mapped(C19, C11)["terrain"] == "tree"
    assert mapped(C11, C7)["bicyclist"] == "human" and mapped(C11, C7)["sign"] == "object"
    assert None not in mapped(C11, C7).values() and None not in mapped(N40, N13).values()
    assert mapped(N40, N13)["bookshelf"] == "furniture"
    assert mapped(["car", "Traffic_Light", "sky"], C19) == {
        "car": "car",
        "Traffic_Light": "traffic light",
        "sky": "sky",
    }
    assert mapped(["cat", "dog"], ["dog", "cow"]) == {"cat": None, "dog": "dog"}


def test_walls_of_rooms_are_no_walls_by_the_road():
    assert mapped(N13, C19)["wall"] is None
    with pytest.raises(MilaError, match="rooms is labelled with bed, books.*measure it alone"):
        common_classes(C19, [("rooms", N13)])


@pytest.mark.parametrize(
    ("predicted", "labelled", "expected"),
    [
        (C19, [C19], "cityscapes19"),
        (C19, [C11], "camvid11"),
        (C11, [C19], "camvid11"),
        (C11, [C19, C11], "camvid11"),
        (C7, [C11, C19], "cityscapes7"),
        (C19, [C11, C7], "cityscapes7"),
        (N13, [N13[::-1]], "nyu13"),
        (N13, [N40], "nyu13"),
        (C19[:5], [C19], "cityscapes19"),
    ],
)
def test_the_finest_common_list(predicted, labelled, expected):
    named = [(f"clip {number}", classes) for number, classes in enumerate(labelled)]
    assert common_classes(predicted, named).name == expected


def test_lists_without_a_name_meet_in_what_they_share():
    found = common_classes(["cat", "dog", "cow"], [("clip", ("cow", "cat", "pig"))])
    assert found == ClassList("own", ("cat", "cow"))
    assert common_classes(["cat", "dog"], [("clip", ("dog", "cat"))]).classes == ("cat", "dog")
    with pytest.raises(MilaError, match="clip is labelled with pig, the model cat, dog"):
        common_classes(["cat", "dog"], [("clip", ("pig",))])


def test_a_list_in_which_nothing_can_be_said_is_refused():
    with pytest.raises(MilaError, match=r"the classes of the clip \(bed, .*cannot.*cityscapes7"):
        check_coarser(ClassList.of(C7), "the clip", N13)
    check_coarser(ClassList.of(C7), "the clip", C11)
