# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a table of parameters is made of; needs no ROS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Value = bool | int | float | str | list[str]


class Change(Enum):
    """When a parameter may be set."""

    ALWAYS = "at any time"
    UNCONFIGURED = "while unconfigured"
    START = "at the start"


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter; minimum and maximum are inclusive, choices are all there are."""

    name: str
    default: Value
    description: str
    change: Change = Change.ALWAYS
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The name of its field in `Settings`."""
        return self.name.replace(".", "_")

    @property
    def kind(self) -> str:
        """The type as ``ros2 param describe`` spells it."""
        names = {bool: "boolean", int: "integer", float: "double", str: "string"}
        return names.get(type(self.default), "string array")

    @property
    def rule(self) -> str:
        """What values it takes, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.minimum is not None:
            return f"a value ({self.kind}) from {self.minimum} to {self.maximum}"
        return f"a value ({self.kind})"
