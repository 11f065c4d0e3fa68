# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that a killed process, a full disk or another configuration cannot spoil."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ..errors import MilaError
from .config import TrainingConfig, differences
from .config_file import parse_config


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint; what was there before stays whole until the new one is on the disk.

    Raises:
        MilaError: It cannot be written, such as on a full disk.
    """
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            torch.save(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        # torch's writer turns a failed write into a RuntimeError with a C++ trace.
        reason = error.strerror if isinstance(error, OSError) else "is the disk full?"
        with suppress(OSError):
            part.unlink(missing_ok=True)
        kept = f"; the one from before is kept in {path}" if path.exists() else ""
        raise MilaError(
            f"no checkpoint could be written to {path.parent}: {reason}{kept}"
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        MilaError: It cannot be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise MilaError(
            f"{path} is no checkpoint of a training, or is damaged; remove it to start afresh"
        ) from error


def check_same(saved: Mapping[str, Any], config: TrainingConfig, path: Path) -> None:
    """Refuse to go on with another configuration than the one a training was begun with.

    Raises:
        MilaError: They differ; the sentence names where.
    """
    begun = parse_config(saved, f"the configuration in {path}").as_dict()
    if names := differences(begun, config.as_dict()):
        raise MilaError(
            f"{path} was trained with another configuration; {', '.join(names[:5])} "
            f"differ{'s' if len(names) == 1 else ''}: train with the old one, or into another --out"
        )
