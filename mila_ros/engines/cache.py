# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled artefacts, kept between runs in the user's cache directory."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MANIFEST = "manifest.json"
LIMIT_BYTES = 4 << 30
"""When the artefacts take more, those that were not used the longest go."""

_log = logging.getLogger("mila_ros.engines")


def cache_directory() -> Path:
    """``mila_ros/engines`` below ``XDG_CACHE_HOME``, or below ``~/.cache``.

    Raises:
        RuntimeError: When there is no home either.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "mila_ros" / "engines"


def obtain(key: str, write: Callable[[Path], None], read: Callable[[Path], T]) -> T:
    """What ``read`` makes of an artefact, which ``write`` makes when it is not there.

    An artefact is a folder. It appears whole or not at all, whatever is interrupted and whoever
    else is writing it. One that is damaged, or that ``read`` cannot use, is made again, with a
    warning. Where nothing can be kept, it is made for this once.

    Args:
        key: Names the artefact among all others: a hash of all that it depends on.
        write: Fills an empty folder.
        read: Loads from the folder.
    """
    try:
        folder = cache_directory()
        folder.mkdir(parents=True, exist_ok=True)
        building = tempfile.TemporaryDirectory(prefix=".building-", dir=folder)
    except (OSError, RuntimeError) as error:
        _log.warning("compiled artefacts are not kept: %s", error)
        with tempfile.TemporaryDirectory() as scratch:
            write(Path(scratch))
            return read(Path(scratch))
    path = folder / key
    with building as name:
        if path.is_dir():
            try:
                _verify(path)
                result = read(path)
                os.utime(path)
                return result
            except Exception as error:  # whatever a library says to a file that is not its own
                reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
                _log.warning("%s cannot be used and is built again: %s", path, reason)
                shutil.rmtree(path, ignore_errors=True)
        scratch_path = Path(name) / "artefact"
        scratch_path.mkdir()
        write(scratch_path)
        _seal(scratch_path)
        try:
            scratch_path.rename(path)
        except OSError:  # another process was faster
            path = scratch_path
        result = read(path)
    _forget_oldest(folder, keep=path)
    return result


def _seal(path: Path) -> None:
    hashes = {file.name: _sha256(file) for file in sorted(path.iterdir())}
    (path / MANIFEST).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


def _verify(path: Path) -> None:
    """Raises ValueError or OSError unless all is as it was sealed."""
    hashes = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    for name, expected in hashes.items():
        if _sha256(path / name) != expected:
            raise ValueError(f"{name} is damaged")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _forget_oldest(folder: Path, keep: Path) -> None:
    sizes: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        try:
            size = sum(file.stat().st_size for file in path.iterdir())
            sizes.append((path.stat().st_mtime, size, path))
        except OSError:  # another process has just removed it
            continue
    total = sum(size for _, size, _ in sizes)
    for _, size, path in sorted(sizes):
        if total <= LIMIT_BYTES:
            return
        if path != keep and not path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)
            total -= size
