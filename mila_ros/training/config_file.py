# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a training's configuration: a YAML file, checked key by key."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import yaml

from ..errors import MilaError
from ..paths import share_directory
from .config import InputConfig, OptimizerConfig, StageConfig, TaskConfig, TrainingConfig
from .config_checks import check_config


def load_config(
    path: Path, overrides: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read a configuration.

    Args:
        path: The YAML file, or the name of one that comes with the package, such as
            ``mila_street``.
        overrides: ``key=value``, dots between keys, numbers for the places of a list:
            ``stages.1.steps=100``; the value is YAML.
        defaults: What is taken for the keys that the file leaves out.

    Raises:
        MilaError: The file cannot be read, or something in it does not fit.
    """
    installed = share_directory() / "config" / "training" / f"{path}.yaml"
    if not path.exists() and len(path.parts) == 1 and installed.is_file():
        path = installed
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MilaError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MilaError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    document = copy.deepcopy(dict(defaults or {})) | dict(_mapping(document, str(path)))
    for override in overrides:
        _override(document, override)
    return parse_config(document, str(path))


def parse_config(document: Any, where: str = "the configuration") -> TrainingConfig:
    """A configuration from what YAML says.

    Raises:
        MilaError: An unknown or missing key, or a value of the wrong kind or out of range.
    """
    values = dict(_mapping(document, where))
    for key in ("network", "tasks"):
        if key not in values:
            raise MilaError(f"{where}: {key} is missing; give it, or a bundle with --start")
    for key in ("tasks", "auxiliary"):
        values[key] = {
            str(name): _record(TaskConfig, {} if entry is None else entry, f"{where}: {key}.{name}")
            for name, entry in _mapping(values.get(key, {}), f"{where}: {key}").items()
        }
    values["stages"] = [
        _record(StageConfig, entry, f"{where}: stages.{n}")
        for n, entry in enumerate(_sequence(values.get("stages", []), f"{where}: stages"))
    ]
    for key, kind in (("input", InputConfig), ("optimizer", OptimizerConfig)):
        if key in values:
            values[key] = _record(kind, values[key], f"{where}: {key}")
    config = _record(TrainingConfig, values, where)
    check_config(config, where)
    return config


def _record(kind: type[Any], values: Any, where: str) -> Any:
    """A dataclass from a mapping, with its types looked at as far as a typing mistake goes."""
    values = _mapping(values, where)
    known = {f.name: f for f in fields(kind)}
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
            raise MilaError(f"{where}: there is no {key}{hint}")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise MilaError(f"{where}: {name} is missing")
    return kind(
        **{key: _typed(known[key].type, value, f"{where}: {key}") for key, value in values.items()}
    )


def _typed(kind: Any, value: Any, where: str) -> Any:
    name = str(kind).removesuffix(" | None")
    if value is None and name != str(kind):
        return None
    if name == "int":
        if isinstance(value, bool) or not isinstance(value, int):
            raise MilaError(f"{where} must be a whole number, not {value!r}")
        return value
    if name == "float":
        return _number(value, where)
    if name == "str":
        if not isinstance(value, str):
            raise MilaError(f"{where} must be a text, not {value!r}")
        return value
    if name.startswith("tuple["):
        of = name[6:-1].split(", ")
        items = _sequence(value, where)
        if of[-1] == "...":
            of = of[:1] * len(items)
        if len(items) != len(of):
            raise MilaError(f"{where} must be {len(of)} values, not {len(items)}")
        return tuple(_typed(k, v, where) for k, v in zip(of, items, strict=True))
    if name.startswith("Mapping["):
        return _mapping(value, where)
    return value


def _number(value: Any, where: str) -> float:
    """Also what YAML takes for a text: 1e-4 has no dot."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise MilaError(f"{where} must be a number, not {value!r}")
    return number


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MilaError(f"{where} must be keys and values, not {value!r}")
    return value


def _sequence(value: Any, where: str) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise MilaError(f"{where} must be a list, not {value!r}")
    return value


def _override(document: Any, override: str) -> None:
    path, separator, text = override.partition("=")
    keys = path.split(".")
    if not separator or not all(keys):
        raise MilaError(f"--set {override}: write it as key=value, with dots between keys")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MilaError(f"--set {override}: {text} is not YAML") from error
    place = document
    try:
        for key in keys[:-1]:
            place = place[int(key)] if isinstance(place, list) else _below(place, key)
        if isinstance(place, list):
            place[int(keys[-1])] = value
        else:
            place[keys[-1]] = value
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise MilaError(f"--set {override}: there is no such place in the configuration") from error


def _below(place: Any, key: str) -> Any:
    """What is at a key; keys and values where there is nothing yet, as in ``tasks: {depth: }``."""
    if place.get(key) is None:
        place[key] = {}
    return place[key]
