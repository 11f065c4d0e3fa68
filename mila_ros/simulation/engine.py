# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MuJoCo, made ready to render without a display: import ``mujoco`` from here.

``MUJOCO_GL`` decides at import how MuJoCo reaches OpenGL. Where the user has not set it, EGL is
taken (a GPU's driver, or Mesa on a CPU), else OSMesa (Mesa on a CPU). A program that imports
``mujoco`` by itself before this module has made the choice already.
"""

from __future__ import annotations

import ctypes
import os
import sys

from mila_ros.errors import MilaError

INSTALL_MUJOCO = "pip install 'mujoco>=3.7'"
INSTALL_OPENGL = (
    "apt-get install -y --no-install-recommends "
    "libegl1 libegl-mesa0 libgl1-mesa-dri libosmesa6"
)  # fmt: skip

_LIBRARIES = {"egl": ("libEGL.so.1",), "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6")}


class SimulationError(MilaError):
    """The simulated world cannot be made or rendered here."""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def choose_opengl() -> None:
    """Set ``MUJOCO_GL`` unless the user has, and keep Mesa to one thread.

    Raises:
        SimulationError: Neither EGL nor OSMesa is installed.
    """
    # One process a core renders more than one process on many cores.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    if os.environ.get("MUJOCO_GL"):
        return
    for backend, libraries in _LIBRARIES.items():
        if any(_loads(library) for library in libraries):
            os.environ["MUJOCO_GL"] = backend
            return
    raise SimulationError(
        "rendering without a display needs EGL or OSMesa and neither is here; "
        f"run: {INSTALL_OPENGL}"
    )


if "mujoco" not in sys.modules:
    choose_opengl()
try:
    import mujoco
except ModuleNotFoundError as error:
    if error.name != "mujoco":
        raise
    raise SimulationError(
        f"the simulated world needs mujoco, which is not installed; run: {INSTALL_MUJOCO}"
    ) from error
except (ImportError, AttributeError, OSError, RuntimeError) as error:
    # What PyOpenGL and MuJoCo raise when the library of MUJOCO_GL is missing or not usable.
    raise SimulationError(
        f"mujoco cannot reach OpenGL by MUJOCO_GL={os.environ['MUJOCO_GL']}; run: {INSTALL_OPENGL}"
    ) from error

__all__ = ["INSTALL_MUJOCO", "INSTALL_OPENGL", "SimulationError", "choose_opengl", "mujoco"]
