# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the installed models, samples and configuration lie, with or without ROS."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import MilaError

PACKAGE = "mila_ros"
DESCRIPTION_FILE = "model.json"


def share_directory() -> Path:
    """The folder that holds ``models/``, ``samples/``, ``config/`` and ``launch/``.

    The first that exists of ``share/mila_ros`` under each prefix of ``AMENT_PREFIX_PATH`` (a
    sourced ROS workspace), under ``sys.prefix`` (a virtual environment) and under the user's site
    (``pip install --user``), then the source tree around this package.

    Raises:
        MilaError: When there is none of them.
    """
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    prefixes += [sys.prefix, site.getuserbase()]
    for prefix in prefixes:
        share = Path(prefix) / "share" / PACKAGE
        if share.is_dir():
            return share
    source_tree = Path(__file__).resolve().parent.parent
    if (source_tree / "package.xml").is_file():
        return source_tree
    raise MilaError(
        f"there is no share/{PACKAGE} folder under {', '.join(prefixes)}; "
        f"install {PACKAGE} again, or source the workspace it was built in"
    )


def large_images(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environment of a node lacks for Fast DDS to carry large images; nothing where set.

    Its shared memory holds 512 KiB as it comes, and a 640x480 image is larger. Other middlewares
    do not look at it.
    """
    name = profiles_variable(environment)
    return {} if name in environment else {name: str(share_directory() / "config" / "fastdds.xml")}


def profiles_variable(environment: Mapping[str, str]) -> str:
    """The variable with the path of Fast DDS's profiles: Kilted renamed it."""
    knows_old_name = environment.get("ROS_DISTRO", "jazzy") in ("humble", "iron", "jazzy")
    return f"FAST{'RTPS' if knows_old_name else 'DDS'}_DEFAULT_PROFILES_FILE"


def list_models() -> list[Path]:
    """The folders of the installed model bundles, sorted by name.

    Raises:
        MilaError: See :func:`share_directory`.
    """
    models = share_directory() / "models"
    return sorted(path.parent for path in models.glob(f"*/{DESCRIPTION_FILE}"))


def find_model(name_or_path: str | Path) -> Path:
    """The folder of a model bundle.

    Args:
        name_or_path: A folder with a ``model.json``, or the name of an installed model. A folder
            comes first where both exist.

    Raises:
        MilaError: When it is neither.
    """
    try:
        path = Path(name_or_path).expanduser()
        if (path / DESCRIPTION_FILE).is_file():
            return path
        is_folder = path.is_dir()
    except (OSError, RuntimeError):  # a name longer than a path may be; ~ of a user that is not
        is_folder = False
    if is_folder:
        inside = sorted(found.parent for found in path.glob(f"*/{DESCRIPTION_FILE}"))
        hint = f"; did you mean {' or '.join(map(str, inside[:3]))}?" if inside else ""
        raise MilaError(f"{path} is no model bundle: it has no {DESCRIPTION_FILE}{hint}")
    installed = {model.name: model for model in list_models()}
    if str(name_or_path) in installed:
        return installed[str(name_or_path)]
    known = ", ".join(installed) or "none"
    raise MilaError(
        f"there is no model {str(name_or_path)!r}: give the path of a folder with a "
        f"{DESCRIPTION_FILE}, or the name of an installed model ({known})"
    )
