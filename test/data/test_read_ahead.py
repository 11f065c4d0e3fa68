# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Items come in order, a bounded number ahead, and errors reach the consumer."""

import threading
import time

import pytest

from mila_ros.data.read_ahead import ReadAhead


def wait_until(condition, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def test_gives_all_prepared_items_in_order():
    assert list(ReadAhead(range(20), lambda n: n * n, depth=3)) == [n * n for n in range(20)]


def test_reads_no_further_ahead_than_its_depth():
    prepared = []
    ahead = ReadAhead(range(100), lambda n: prepared.append(n) or n, depth=3)
    wait_until(lambda: len(prepared) == 4)  # three held ready, one in hand
    time.sleep(0.05)
    assert len(prepared) == 4
    assert next(ahead) == 0
    wait_until(lambda: len(prepared) == 5)
    ahead.close()


def test_newest_only_forgets_the_oldest_rather_than_wait():
    ahead = ReadAhead(range(10), lambda n: n, depth=2, newest_only=True)
    ahead._thread.join(5)
    assert list(ahead) == [8, 9]


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise OSError("the disk is gone")

    ahead = ReadAhead(items(), lambda n: n)
    assert next(ahead) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_close_ends_a_waiting_consumer_and_the_thread():
    release = threading.Event()

    def items():
        release.wait(5)
        yield 1

    ahead = ReadAhead(items(), lambda n: n)
    got = []
    consumer = threading.Thread(target=lambda: got.extend(ahead))
    consumer.start()
    ahead.close(timeout_s=0.01)
    consumer.join(5)
    assert not consumer.is_alive() and got == []
    release.set()
    ahead.close(timeout_s=5)
    assert not ahead._thread.is_alive()
