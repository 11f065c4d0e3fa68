# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that are all read once, at the start: those of every node but ``perception``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node

from mila_ros.ros.parameter_spec import ParameterSpec
from mila_ros.ros.parameters import ParameterError, declare


def declare_fixed(node: Node, specs: Iterable[ParameterSpec]) -> dict[str, Any]:
    """Declare the parameters of a table and return their values by name.

    Raises:
        ParameterError: a value has another type, is out of range or none of the choices.
    """
    specs = tuple(specs)
    declare(node, specs)
    values = {spec.name: node.get_parameter(spec.name).value for spec in specs}
    for spec in specs:
        if spec.choices and values[spec.name] not in spec.choices:
            raise ParameterError(
                f"The parameter {spec.name} is '{values[spec.name]}', but takes {spec.rule}."
            )
    return values
