# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles that are changed after they were written, and how they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mila_ros.errors import BundleError
from mila_ros.streaming import load_bundle

Document = dict[str, Any]


def edit(directory: Path, change: Callable[[Document], Any]) -> None:
    path = directory / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def refused(directory: Path, load: Callable[[Path], Any] = load_bundle) -> str:
    """The message, which must be one sentence that names the file."""
    with pytest.raises(BundleError) as caught:
        load(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(directory))
    return message
