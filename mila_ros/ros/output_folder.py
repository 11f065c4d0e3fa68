# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that a node leaves its results in: needs no ROS."""

from __future__ import annotations

from pathlib import Path

from mila_ros.errors import MilaError


def make_output_folder(folder: Path, content: str, *names: str) -> None:
    """Make the folder, unless results lie in it already.

    Args:
        folder: May exist, and hold anything but results.
        content: What the results are called in the error: ``a recording``.
        names: Each a file or folder of the results.

    Raises:
        MilaError: it holds one of the names, or cannot be made.
    """
    if any((folder / name).exists() for name in names):
        raise MilaError(
            f"{folder} holds {content} already; name another folder with "
            "--ros-args -p output:=FOLDER"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MilaError(f"{folder} cannot be made: {error.strerror}") from error
