# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worker's thread answers frames and calls, survives faults and ends in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mila_ros.ros.worker import Worker


class Recorder:
    def __init__(self) -> None:
        self.done: list[Any] = []
        self.errors: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def process(self, items: dict[str, Any]) -> None:
        self.started.set()
        assert self.gate.wait(10)
        if "bad" in items.values():
            raise ValueError("a bad frame")
        name = threading.current_thread().name
        self.done += [(camera, item, name) for camera, item in items.items()]

    def on_error(self, camera: str, item: Any, error: Exception) -> None:
        self.errors.append((camera, item, str(error)))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def worker(recorder: Recorder) -> Iterator[Worker[Any]]:
    worker: Worker[Any] = Worker(recorder.process, recorder.on_error)
    yield worker
    recorder.gate.set()
    worker.close(5.0)


def drain(worker: Worker[Any]) -> None:
    """Two calls: the second comes after any frame that was there before the first."""
    worker.call(lambda: None).result(5)
    time.sleep(0.05)
    worker.call(lambda: None).result(5)


def test_frames_and_calls_run_on_the_one_thread(worker, recorder) -> None:
    assert worker.call(lambda: threading.current_thread().name).result(5) == "perception"
    worker.mailbox.put("front", 1)
    drain(worker)
    assert recorder.done == [("front", 1, "perception")]


def test_a_call_raises_where_its_result_is_read(worker, recorder) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 / 0).result(5)
    assert worker.call(lambda: 2).result(5) == 2


def test_a_fault_is_reported_and_the_next_frame_answered(worker, recorder) -> None:
    worker.mailbox.put("front", "bad")
    drain(worker)
    worker.mailbox.put("front", "good")
    drain(worker)
    assert recorder.errors == [("front", "bad", "a bad frame")]
    assert [item for _, item, _ in recorder.done] == ["good"]


def test_cameras_that_wait_are_processed_together_and_a_fault_is_told_of_each(
    worker, recorder
) -> None:
    worker.max_items = 2
    recorder.gate.clear()
    worker.mailbox.put("front", 1)
    assert recorder.started.wait(5)
    for camera, item in (("left", "bad"), ("front", 2), ("rear", 3)):
        worker.mailbox.put(camera, item)
    recorder.gate.set()
    drain(worker)
    assert recorder.errors == [("left", "bad", "a bad frame"), ("rear", 3, "a bad frame")]
    assert [(camera, item) for camera, item, _ in recorder.done] == [("front", 1), ("front", 2)]


def test_a_call_comes_after_the_frame_in_progress_and_before_the_next(worker, recorder) -> None:
    recorder.gate.clear()
    worker.mailbox.put("front", 1)
    assert recorder.started.wait(5)
    worker.mailbox.put("front", 2)
    call = worker.call(lambda: [item for _, item, _ in recorder.done])
    assert not call.done()
    recorder.gate.set()
    assert call.result(5) == [1]
    drain(worker)
    assert [item for _, item, _ in recorder.done] == [1, 2]


def test_after_clearing_and_a_call_the_worker_is_idle(worker, recorder) -> None:
    for number in range(500):
        worker.mailbox.put("front", number)
        worker.mailbox.clear()
        worker.call(lambda: None).result(5)
        count = len(recorder.done)
        time.sleep(0.0005)
        assert len(recorder.done) == count


def test_close_waits_for_the_frame_in_progress_but_not_for_ever(worker, recorder) -> None:
    recorder.gate.clear()
    worker.mailbox.put("front", 1)
    assert recorder.started.wait(5)
    worker.mailbox.put("front", 2)
    begin = time.monotonic()
    assert not worker.close(0.2)
    assert 0.15 < time.monotonic() - begin < 2
    recorder.gate.set()
    assert worker.close(5.0)
    assert [item for _, item, _ in recorder.done] == [1]
