# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the perception node; nothing of ROS is imported until one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import make_tiny_bundle

if TYPE_CHECKING:
    from perception_bench import Bench


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def make_bench(ros_domain: int, tiny_model: Path) -> Iterator[Callable[..., Bench]]:
    from perception_bench import Bench

    benches: list[Bench] = []

    def make(node_arguments: dict[str, Any] | None = None, **overrides: Any) -> Bench:
        values = {
            "model": str(tiny_model),
            "diagnostics.period_s": 0.1,
            "cpu_threads": 1,
            "precision": "fp32",
        }
        values |= {name.replace("__", "."): value for name, value in overrides.items()}
        benches.append(Bench(values, node_arguments or {}))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """An active node."""
    bench = make_bench()
    assert bench.change("configure")
    assert bench.change("activate")
    return bench
