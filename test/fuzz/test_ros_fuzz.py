# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter table under values of any kind, and messages made and read back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

UINT32 = st.integers(0, 2**32 - 1)
VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-2, 1100)
    | st.floats()
    | st.floats(0, 100)
    | st.text(max_size=12).filter(lambda text: "\0" not in text)
    | st.sampled_from(["", "cpu", "cuda:0", "timer", "every", "raw", "fp32", "16UC1", "../x"])
    | st.lists(st.sampled_from(["", "front", "left", "input", "a b", "9", "é"]), max_size=3)
    | st.lists(st.integers(-5, 5), min_size=1, max_size=3)
    | st.lists(st.booleans(), min_size=1, max_size=3)
)


def names() -> list[str]:
    from mila_ros.ros.parameter_table import PARAMETERS  # needs no ROS

    return [spec.name for spec in PARAMETERS]


@pytest.fixture(scope="module")
def make_node(ros: ModuleType) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """A node with the table's parameters and these values given at the start."""
    from rclpy.node import Node
    from rclpy.parameter import Parameter

    from mila_ros.ros import parameters

    def make(values: dict[str, Any]) -> Any:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = Node("fuzzed", parameter_overrides=overrides, start_parameter_services=False)
        try:
            parameters.declare(node)
        except BaseException:  # a refusal, or a fault to be found: either goes on, without the node
            node.destroy_node()
            raise
        node.add_on_set_parameters_callback(lambda changes: judge(node, changes))
        return node

    def judge(node: Any, changes: Any) -> Any:
        from rcl_interfaces.msg import SetParametersResult

        reason = parameters.refusal(node, changes, is_unconfigured=True)
        return SetParametersResult(successful=reason is None, reason=reason or "")

    yield make


def check(settings: Any, values: dict[str, Any]) -> None:
    """What was accepted is what was given, and within the table's rules."""
    from mila_ros.ros.parameter_table import PARAMETERS

    for spec in PARAMETERS:
        value = getattr(settings, spec.field)
        if spec.name in values:
            given = values[spec.name]
            assert (
                (list(value) or [""]) == (given or [""])
                if spec.name == "cameras"
                else (value == given)
            )
        if spec.choices:
            assert value in spec.choices
        if spec.minimum is not None:
            assert math.isfinite(value) and spec.minimum <= value <= spec.maximum
    assert settings.keyframe_period_s <= settings.keyframe_max_age_s
    assert len(set(settings.cameras)) == len(settings.cameras) >= 1


@given(st.dictionaries(st.sampled_from(names()), VALUES, max_size=3))
def test_any_values_at_the_start_are_taken_as_they_are_or_refused(
    make_node: Callable[..., Any], values: dict[str, Any]
) -> None:
    from mila_ros.errors import MilaError
    from mila_ros.ros import parameters

    node = None
    try:
        node = make_node(values)
        check(parameters.read(node), values)
    except MilaError as error:
        assert any(name in str(error) for name in (*values, "keyframe_period_s"))
        assert "\n" not in str(error)
    finally:
        if node is not None:
            node.destroy_node()


@given(st.lists(st.tuples(st.sampled_from(names()), VALUES), min_size=1, max_size=6))
def test_any_values_set_later_are_taken_as_they_are_or_change_nothing(
    node: Any, changes: list[tuple[str, Any]]
) -> None:
    from rclpy.parameter import Parameter

    from mila_ros.ros import parameters

    for name, value in changes:
        before = parameters.read(node)
        (result,) = node.set_parameters([Parameter(name, value=value)])
        after = parameters.read(node)
        if result.successful:
            check(after, {name: value})
        else:
            assert result.reason and after == before


@pytest.fixture(scope="module")
def node(make_node: Callable[..., Any]) -> Iterator[Any]:
    node = make_node({})
    yield node
    node.destroy_node()


@given(st.integers(1, 40), st.integers(1, 40), UINT32, st.sampled_from(["c", "f", "cut", "flip"]))
def test_what_goes_out_is_read_back(
    ros_domain: int, height: int, width: int, seed: int, layout: str
) -> None:
    """Masks, depth, millimetres, rgb and PNGs, of arrays that lie in memory in any way."""
    from std_msgs.msg import Header

    from mila_ros.data.compressed_images import decode_image
    from mila_ros.data.image_encodings import image_to_rgb
    from mila_ros.data.maps import depth_map, mask_map
    from mila_ros.ros import conversions

    rng = np.random.default_rng(seed)
    views: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "c": lambda a: a,
        "f": np.asfortranarray,
        "cut": lambda a: np.pad(a, [(1, 2), (3, 1), (0, 0)][: a.ndim])[1:-2, 3:-1],
        "flip": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    }
    view, header = views[layout], Header(frame_id=str(seed))
    ids = rng.integers(0, 256, (height, width), np.uint8)
    depth = rng.uniform(0, 70, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf, 0.0])
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = conversions.mask_message(view(ids), header)
    assert mask.header == header and mask.step == width and len(mask.data) == width * height
    np.testing.assert_array_equal(mask_map(mask), ids)
    np.testing.assert_array_equal(depth_map(conversions.depth_message(view(depth), header)), depth)
    np.testing.assert_array_equal(image_to_rgb(conversions.rgb_message(view(rgb), header)), rgb)
    png = conversions.png_message(view(ids), header)
    np.testing.assert_array_equal(decode_image(bytes(png.data))[..., 0], ids)
    metres = depth_map(conversions.millimetre_message(view(depth), header))
    fits = np.isfinite(depth) & (depth >= 0.0006) & (depth < 65.535)
    assert np.isnan(metres[~np.isfinite(depth) | (depth >= 65.536)]).all()
    np.testing.assert_allclose(metres[fits], depth[fits], atol=0.000505)
