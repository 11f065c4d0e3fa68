# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter table, what is declared from it and what it refuses."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter

from mila_ros.engines import ENGINES
from mila_ros.ros.parameter_spec import Change
from mila_ros.ros.parameter_table import PARAMETERS
from mila_ros.ros.parameters import ParameterError, Settings, declare, read, refusal
from mila_ros.streaming.precision import PRECISIONS

ROOT = Path(__file__).parents[2]
NAMES = {bool: "boolean", int: "integer", float: "double", str: "string"}


@pytest.fixture
def make_node(ros) -> Iterator:
    nodes = []

    def make(**values: Any) -> Node:
        overrides = [Parameter(name.replace("__", "."), value=v) for name, v in values.items()]
        nodes.append(Node("settings", parameter_overrides=overrides))
        declare(nodes[-1])
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def refused(node: Node, is_unconfigured: bool = True, **values: Any) -> str | None:
    changes = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
    return refusal(node, changes, is_unconfigured=is_unconfigured)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value
    return result


def test_the_shipped_file_has_exactly_these_names_and_defaults() -> None:
    document = yaml.safe_load((ROOT / "config" / "perception.yaml").read_text(encoding="utf-8"))
    (node,) = document.values()
    values = flat(node["ros__parameters"])
    assert values == {spec.name: spec.default for spec in PARAMETERS}
    assert {name: type(value) for name, value in values.items()} == {
        spec.name: type(spec.default) for spec in PARAMETERS
    }


def test_the_settings_have_the_tables_fields_and_types() -> None:
    assert [spec.field for spec in PARAMETERS] == [field.name for field in fields(Settings)]
    types = typing.get_type_hints(Settings)
    for spec in PARAMETERS:
        expected = tuple[str, ...] if spec.kind == "string array" else type(spec.default)
        assert types[spec.field] == expected
        assert spec.kind == NAMES.get(type(spec.default), "string array")


def test_defaults_keep_their_own_rules() -> None:
    for spec in PARAMETERS:
        if spec.choices:
            assert spec.default in spec.choices
        if spec.minimum is not None:
            assert type(spec.minimum) is type(spec.maximum) is type(spec.default)
            assert spec.minimum <= spec.default <= spec.maximum
        assert spec.description.endswith(".")


def test_the_choices_of_engine_and_precision_are_those_that_there_are() -> None:
    choices = {spec.name: spec.choices for spec in PARAMETERS}
    assert choices["engine"] == tuple(ENGINES)
    assert choices["precision"] == PRECISIONS


def test_declared_values_and_descriptors_are_the_tables(make_node) -> None:
    node = make_node()
    settings = read(node)
    for spec in PARAMETERS:
        expected = ("",) if spec.kind == "string array" else spec.default
        assert getattr(settings, spec.field) == expected
        descriptor = node.describe_parameter(spec.name)
        assert descriptor.description == spec.description
        assert descriptor.read_only == (spec.change is Change.START)
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        bounds = [(r.from_value, r.to_value) for r in ranges]
        assert bounds == ([] if spec.minimum is None else [(spec.minimum, spec.maximum)])


def test_given_values_are_read(make_node) -> None:
    node = make_node(
        cameras=["front", "rear_left"],
        image_sizes=["1280x720", "640x480"],
        keyframe_every=7,
        segmentation__overlay_alpha=0.25,
    )
    settings = read(node)
    assert settings.cameras == ("front", "rear_left")
    assert settings.image_sizes == ("1280x720", "640x480")
    assert settings.keyframe_every == 7
    assert settings.segmentation_overlay_alpha == 0.25


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("max_gap_s", 2, r"max_gap_s is refused: .*double.* from 0.01 to 600.0 \(write 1.0, not 1"),
        ("keyframe_period_s", float("nan"), "keyframe_period_s is refused: .* from 0.02 to 60.0"),
        ("cpu_threads", -1, "cpu_threads is refused: .*integer.* from 0 to 1024"),
        ("cameras", "front", "cameras is refused: .*string array"),
        ("autostart", "yes", "autostart is refused: .*boolean"),
    ],
)
def test_a_wrong_type_or_range_at_the_start_is_one_sentence(
    make_node, name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        make_node(**{name: value})


WRONG = {
    "device": ["gpu", "cuda:", "CPU", "cuda:x", ""],
    "image_transport": ["theora", ""],
    "keyframe_policy": ["sometimes"],
    "keyframe_period_s": [2.5],
    "cameras": [["front", "front"], ["front", ""], ["1st"], ["a/b"], ["input"], ["enable"]],
    "image_sizes": [["1280"], ["0x480"], ["640x480", ""], ["9999x9999"], ["64x48"] * 5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_what_type_and_range_do_not_rule_out_is_refused_when_read_and_when_set(
    make_node, name: str, value: Any
) -> None:
    with pytest.raises(ParameterError, match=rf"^The parameter {name} .*\.$"):
        read(make_node(**{name: value}))
    reason = refused(make_node(), **{name: value})
    assert reason is not None and reason.startswith(f"The parameter {name} ")


def test_right_values_are_accepted(make_node) -> None:
    node = make_node()
    assert refused(node, device="cuda:1", cameras=["front", "left"]) is None
    assert refused(node, keyframe_policy="every", keyframe_every=3) is None
    assert refused(node, keyframe_period_s=4.0, keyframe_max_age_s=5.0) is None
    assert refused(node, use_sim_time=True) is None


def test_what_configuring_reads_is_refused_afterwards(make_node) -> None:
    node = make_node()
    for spec in PARAMETERS:
        reason = refused(node, False, **{spec.name.replace(".", "__"): spec.default})
        if spec.change is Change.UNCONFIGURED:
            assert reason == (
                f"{spec.name} is read when the node is configured: deactivate and clean up first, "
                "then set it and configure again."
            )
        else:
            assert reason is None


def test_a_wrong_value_from_the_start_does_not_stand_in_the_way_of_others(make_node) -> None:
    node = make_node(device="gpu")
    assert refused(node, keyframe_every=3) is None
    assert refused(node, device="cpu") is None
    assert refused(node, device="tpu") is not None
