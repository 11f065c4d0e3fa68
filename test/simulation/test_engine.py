# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is missing is named in one sentence, with the command that brings it."""

import os
import subprocess
import sys

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "mujoco":
            raise ModuleNotFoundError("No module named 'mujoco'", name="mujoco")
sys.meta_path.insert(0, Blocker())
"""
UNLOADABLE = """
import ctypes
def refuse(name, *rest, **more):
    raise OSError(name)
ctypes.CDLL = refuse
"""
IMPORT = """
from mila_ros.errors import MilaError
try:
    import mila_ros.simulation.engine
except MilaError as error:
    print("sentence:", error)
"""


def imported(prelude, **environment):
    """What the import of the engine says in a fresh process."""
    variables = {k: v for k, v in os.environ.items() if k != "MUJOCO_GL"} | environment
    script = prelude + IMPORT
    done = subprocess.run(
        [sys.executable, "-"], input=script, text=True, capture_output=True, env=variables,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_mujoco():
    said = imported(BLOCKED, MUJOCO_GL="egl")
    assert "needs mujoco, which is not installed; run: pip install 'mujoco>=3.7'" in said


def test_without_opengl():
    said = imported(UNLOADABLE)
    assert "needs EGL or OSMesa" in said
    assert "apt-get install" in said and "libegl1" in said and "libosmesa6" in said


def test_taxonomy_and_splits_need_no_engine():
    script = BLOCKED + "import mila_ros.simulation.taxonomy, mila_ros.simulation.splits\n"
    assert imported(script, MUJOCO_GL="egl")
