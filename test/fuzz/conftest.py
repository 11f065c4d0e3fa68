# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How long the properties are tried: the same few examples each time, or new ones for minutes.

``MILA_FUZZ_MINUTES=10`` shares so many minutes among the properties (``make fuzz``), and says how
many examples each has had. Without it each has the same few.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

MINUTES = float(os.environ.get("MILA_FUZZ_MINUTES", "0"))
EXAMPLES: Counter[str] = Counter()
HERE = Path(__file__).parent

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "mila_ros_hypothesis")

_COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    # Fixtures of the session are only read, and a broken bundle is laid out anew each time.
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("quick", max_examples=25, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=100, **_COMMON)
settings.load_profile("long" if MINUTES else "quick")


def _counted(name: str, test: Callable[..., None]) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        EXAMPLES[name] += 1
        test(*arguments, **named)

    return run


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    properties = [item for item in items if hasattr(getattr(item, "obj", None), "hypothesis")]
    session.config.stash[_SHARE_S] = 60 * MINUTES / max(len(properties), 1)
    for item in properties:
        handle = item.obj.hypothesis
        if item.path.parent == HERE and not hasattr(handle.inner_test, "__wrapped__"):
            handle.inner_test = _counted(item.name, handle.inner_test)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Go on with new examples until a property's share of the time is over."""
    if not MINUTES or not hasattr(pyfuncitem.obj, "hypothesis"):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    end = time.monotonic() + pyfuncitem.config.stash[_SHARE_S]
    while time.monotonic() < end:
        pyfuncitem.obj(**arguments)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MINUTES:
        for name, count in sorted(EXAMPLES.items()):
            terminalreporter.write_line(f"{count:9,} examples of {name}")
        terminalreporter.write_line(f"{sum(EXAMPLES.values()):9,} examples in all")


_SHARE_S: pytest.StashKey[float] = pytest.StashKey()
