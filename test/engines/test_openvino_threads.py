# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two networks computed at once by OpenVINO have a core each."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from engine_bench import CPU, images

from mila_ros.engines import build_engine, openvino_engine
from mila_ros.networks import Network

pytestmark = [
    pytest.mark.skipif(
        not openvino_engine.is_there(), reason="openvino is not installed: pip install openvino"
    ),
    pytest.mark.skipif(
        sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2,
        reason="needs Linux and two cores: only there threads can be tied to one of several",
    ),
]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def cores() -> dict[str, frozenset[int]]:
    """Which cores each thread of this process may run on."""
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has just ended
            found[thread.name] = frozenset(os.sched_getaffinity(int(thread.name)))
    return found


@pytest.mark.usefixtures("one_thread", "cache")
def test_threads_are_not_tied_to_cores(network: Network) -> None:
    everywhere = frozenset(os.sched_getaffinity(0))
    # Those of other libraries, which earlier tests have used, may be.
    others = {thread for thread, where in cores().items() if where != everywhere}
    engine = build_engine("openvino", network, CPU)
    done = threading.Event()
    seen: set[frozenset[int]] = set()

    def watch() -> None:
        while not done.is_set():
            seen.update(where for thread, where in cores().items() if thread not in others)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(100):
            engine(images()[0], None, keyframe=True, tasks=None, precision="fp32")
    finally:
        done.set()
        watcher.join()
    assert seen == {everywhere}
