# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders in which something is made that is to appear under its name only when it is complete."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mila_ros.errors import MilaError


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A path of the target's name in a hidden folder beside it, to be renamed to the target.

    What an earlier process left there is removed at the beginning, and all of it at the end. The
    lock on the folder ends with the process, whatever ends that.

    Args:
        target: What is made; its folder is made where there is none.

    Raises:
        MilaError: Another process is making it now.
        OSError: The folder cannot be made or emptied.
    """
    folder = folder_of(target)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _is_locked_for_us(handle):
            raise MilaError(
                f"{target} is being made by another process now; wait for it, or name another place"
            )
        try:
            for left in folder.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield folder / target.name
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def discard(target: Path) -> None:
    """Remove what a process left that ended before the target was complete, unless one is at it."""
    try:
        handle = os.open(folder_of(target), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        if _is_locked_for_us(handle):
            shutil.rmtree(folder_of(target), ignore_errors=True)
    finally:
        os.close(handle)


def folder_of(target: Path) -> Path:
    """Where a target is made. Hidden, so that nobody takes what is half written for a clip."""
    return target.parent / f".{target.name}.partial"


def _is_locked_for_us(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
