# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that was given back is not asked of the system again."""

import os
import platform
import subprocess
import sys

import pytest

LOOP = """
import resource, sys
import numpy as np
from mila_ros.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
def work():  # several blocks at once, as a network's features are
    blocks = [np.ones(2_000_000, np.float32) for _ in range(4)]
    return sum(float(block[0]) for block in blocks)
for _ in range(4):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 10 * 4 * 8_000_000 // 4096


def run(how, **environment):
    done = subprocess.run(
        [sys.executable, "-c", LOOP, how],
        env={k: v for k, v in os.environ.items() if "MALLOC" not in k} | environment,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told")
def test_blocks_are_used_again():
    kept, faults = run("keep")
    assert kept == "True"
    assert faults < PAGES / 50
    assert run("leave")[1] > 5 * faults, "left to itself glibc would have done"


def test_who_has_chosen_is_left_alone():
    assert run("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
    assert run("keep", GLIBC_TUNABLES="glibc.malloc.mmap_threshold=131072")[0] == "False"
