# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Strict reading of JSON: exact keys, exact types, bounded numbers, and where it went wrong."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

from ..errors import BundleError

_LARGEST = sys.float_info.max
_TEXT = r"(?=\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]+"


class Fields:
    """One JSON object whose keys are all known.

    Args:
        value: The decoded object.
        where: Its place in the file, for messages; empty for the file itself.
        required: Keys that it must have.
        optional: Keys that it may have.

    Raises:
        BundleError: Here and in every method, when the object is not as described.
    """

    def __init__(
        self, value: object, where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> None:
        if not isinstance(value, dict):
            raise BundleError(f"{where or 'the file'} must be an object, not {_short(value)}")
        inside = f" in {where}" if where else ""
        if unknown := [key for key in value if key not in required + optional]:
            raise BundleError(f"unknown key {_short(unknown[0])}{inside}; remove it")
        if missing := [key for key in required if key not in value]:
            raise BundleError(f"key {_short(missing[0])} is missing{inside}; add it")
        self.values: Mapping[str, Any] = value
        self._where = where

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def text(self, key: str, pattern: str = _TEXT, hint: str = "a text") -> str:
        """A string that matches ``pattern`` as a whole; ``hint`` is the pattern in words.

        Without a pattern it is anything but control characters, which terminals obey.
        """
        value = self[key]
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self._wrong(key, hint)
        return value

    def boolean(self, key: str) -> bool:
        value = self[key]
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number, low and high included."""
        value = self[key]
        if type(value) is not int or not low <= value <= high:
            raise self._wrong(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, above: float, below: float = math.inf) -> float:
        """A finite number between two bounds that it must not reach."""
        value = self[key]
        if not _is_number(value) or not above < value < below:
            bound = f"above {above}" if below == math.inf else f"between {above} and {below}"
            raise self._wrong(key, f"a number {bound}")
        return float(value)

    def triple(self, key: str, above: float, below: float) -> tuple[float, float, float]:
        """Three such numbers."""
        value = self[key]
        if (
            not isinstance(value, list)
            or len(value) != 3
            or not all(_is_number(v) and above < v < below for v in value)
        ):
            raise self._wrong(key, f"three numbers between {above} and {below}")
        red, green, blue = value
        return float(red), float(green), float(blue)

    def color(self, key: str) -> tuple[int, int, int]:
        """Red, green and blue from 0 to 255."""
        value = self[key]
        if (
            not isinstance(value, list)
            or len(value) != 3
            or not all(type(v) is int and 0 <= v <= 255 for v in value)
        ):
            raise self._wrong(key, "three whole numbers from 0 to 255")
        red, green, blue = value
        return red, green, blue

    def mapping(self, key: str) -> Mapping[str, Any]:
        """An object of any content."""
        value = self[key]
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value

    def items(self, key: str) -> list[Any]:
        """A list with something in it."""
        value = self[key]
        if not isinstance(value, list) or not value:
            raise self._wrong(key, "a list with at least one entry")
        return value

    def _wrong(self, key: str, expected: str) -> BundleError:
        place = f"{self._where}.{key}" if self._where else key
        return BundleError(f"{place} must be {expected}, not {_short(self[key])}")


def decode(text: str) -> Any:
    """JSON without Python's leniencies: no NaN, no infinities, no key twice.

    Raises:
        BundleError: When it is not valid.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except ValueError as error:  # json's own, and Python's for an integer of too many digits
        raise BundleError(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise BundleError("not valid JSON: nested too deeply") from error


def _refuse_constant(name: str) -> None:
    raise BundleError(f"not valid JSON: {name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise BundleError(f"key {_short(key)} occurs twice; remove one")
        result[key] = value
    return result


def _is_number(value: object) -> bool:
    # Compared, because math.isfinite raises for integers beyond the range of a float.
    return isinstance(value, (int, float)) and type(value) is not bool and abs(value) <= _LARGEST


def _short(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
