# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the simulated worlds. Those that render are skipped, with the mend, where nothing can.

With ``MILA_REQUIRE_RENDERING=1`` in the environment they run all the same, and fail.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

NEED_NO_RENDERER = {"test_geometry.py", "test_sensor.py", "test_taxonomy.py", "test_engine.py"}


@functools.cache
def why_not() -> str:
    """The sentence that says why nothing can be rendered here; empty where it can."""
    from mila_ros.errors import MilaError

    try:
        from mila_ros.simulation.camera import open_renderer
        from mila_ros.simulation.engine import mujoco

        gl, renderer = open_renderer(mujoco.MjSpec().compile(), 16, 16)
        renderer.free()
        gl.free()
    except MilaError as error:
        return str(error)
    return ""


class _CannotRender(pytest.Module):
    def collect(self) -> list[pytest.Item | pytest.Collector]:
        pytest.skip(why_not(), allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    required = os.environ.get("MILA_REQUIRE_RENDERING") == "1"
    if module_path.name in NEED_NO_RENDERER or required or not why_not():
        return None
    return _CannotRender.from_parent(parent, path=module_path)
