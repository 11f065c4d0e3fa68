# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests.

A test that needs ROS lives in ``test/ros`` or asks for one of the fixtures `ros_domain` and
`ros`; it is skipped, with the reason, where rclpy is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

# By default the C++ attention is taken where it has been compiled before; what the tests measure
# must not depend on this user's cache. The tests of the other implementations name them.
os.environ["MILA_LOCAL_ATTENTION"] = "tiles"

# What a script starts in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The properties in test/fuzz are hypothesis's; without it everything else still runs.
collect_ignore = [] if importlib.util.find_spec("hypothesis") else ["fuzz"]

NO_ROS = "rclpy is not installed; `make test` brings it, and so does sourcing a ROS 2 distribution"

# Linux hands out no ephemeral ports in these domains' range, and people count from 0.
TEST_DOMAINS = range(215, 232)


def has_ros() -> bool:
    return importlib.util.find_spec("rclpy") is not None


class _NeedsRos(pytest.Module):
    def collect(self) -> list[pytest.Item | pytest.Collector]:
        pytest.skip(NO_ROS, allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Skip the modules of ``test/ros`` before their ``import rclpy`` fails."""
    if module_path.parent.name == "ros" and not has_ros():
        return _NeedsRos.from_parent(parent, path=module_path)
    return None


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs ROS `alone`: messages and clocks wait for nobody's networks."""
    for item in items:
        if item.path.parent.name == "ros" or "ros_domain" in getattr(item, "fixturenames", ()):
            item.add_marker("alone")


def _claim_domain() -> tuple[int, socket.socket]:
    """Return a free ROS domain id and the socket that keeps it ours.

    DDS uses only the UDP side of a domain's first port, so holding its TCP side tells other test
    runs on this machine that the domain is taken, and ends by itself when this process does.
    """
    for domain in random.Random(os.getpid()).sample(TEST_DOMAINS, len(TEST_DOMAINS)):
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            claim.bind(("127.0.0.1", 7400 + 250 * domain))
        except OSError:
            claim.close()
            continue
        return domain, claim
    raise RuntimeError(
        f"all ROS domains {TEST_DOMAINS.start} to {TEST_DOMAINS.stop - 1} are taken on this "
        "machine; wait for the other test runs to end"
    )


@pytest.fixture(scope="module")
def ros_domain() -> Iterator[int]:
    """A ROS domain of this module's own on this machine alone, also for child processes."""
    if not has_ros():
        pytest.skip(NO_ROS)
    domain, claim = _claim_domain()
    with closing(claim), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        if os.environ.get("ROS_DISTRO") == "humble":
            patch.setenv("ROS_LOCALHOST_ONLY", "1")
        else:
            patch.delenv("ROS_LOCALHOST_ONLY", raising=False)
            patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain


@pytest.fixture(scope="module")
def ros(ros_domain: int) -> Iterator[ModuleType]:
    """The rclpy module, initialised in a domain of this module's own."""
    import rclpy

    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()
