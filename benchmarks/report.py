# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON of a benchmark: its figures, and the machine and the versions that they are of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mila_ros.environment import machine, versions


def write_report(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write the figures, after ``machine`` and ``versions``; nothing where there is no path."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "versions": versions(), **figures}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    part.replace(path)  # whole, or as it was
