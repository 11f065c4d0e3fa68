# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who has the slow network's lane in which turn, and the thread behind it."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from concurrent_bench import load, noise_video, step

from mila_ros.engines import Engine
from mila_ros.engines.eager import EagerEngine
from mila_ros.streaming.lanes import Lane, ThreadLane

# Turns


def test_cameras_take_turns_and_their_newest_frame_is_taken(two_tasks: Path) -> None:
    image, lane = noise_video(1)[0], Lane()
    perception = load(two_tasks, lane, every=1)
    for camera in "abc":
        step(perception, image, 0, camera)
    for number in range(1, 4):  # all want one at each frame; one run for three frames of each
        for camera in "abc":
            step(perception, image, number, camera)
    taken: list[tuple[str, int]] = []
    for number in range(4, 10):
        assert lane.run_next()
        for camera in "abc":
            frame = step(perception, image, number, camera)
            if frame.is_keyframe_new:
                taken.append((camera, number - frame.keyframe_age))
    # Asked for by all before the fourth frame; then again, each when it had had its turn.
    assert taken == [("a", 3), ("b", 4), ("c", 5), ("a", 6), ("b", 7), ("c", 8)]


def test_one_run_at_a_time(two_tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is never waited for: frames come out while it is held."""
    running, most, go_on = [], [], threading.Event()
    sources = EagerEngine.sources

    def held(self: Engine, image: torch.Tensor, *, precision: str) -> Any:
        running.append(threading.current_thread().name)
        most.append(len(running))
        assert go_on.wait(20)
        result = sources(self, image, precision=precision)
        running.pop()
        return result

    monkeypatch.setattr(EagerEngine, "sources", held)
    image = noise_video(1)[0]
    perception = load(two_tasks, ThreadLane(1), every=1)
    for camera in "ab":
        assert step(perception, image, 0, camera).is_keyframe
    for number in range(1, 6):
        for camera in "ab":
            frame = step(perception, image, number, camera)
            assert (frame.keyframe_age, frame.keyframe_failure) == (number, None)
    assert running == ["keyframes"]
    go_on.set()
    end = time.monotonic() + 20
    number = 6
    while step(perception, image, number, "b").keyframe_age >= number:
        assert time.monotonic() < end
        number += 1
    assert max(most) == 1
    assert perception.close(10)


# The thread


def test_the_thread_has_its_own_number_of_threads_and_gives_way() -> None:
    before = torch.get_num_threads()
    lane = ThreadLane(3)
    assert lane.call(torch.get_num_threads) == 3
    assert torch.get_num_threads() == before
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert lane.call(lambda: os.getpriority(os.PRIO_PROCESS, 0)) == min(own + 5, 19)
    with pytest.raises(ZeroDivisionError):
        lane.call(lambda: 1 / 0)
    assert lane.close(5)
    with pytest.raises(RuntimeError, match="has been ended"):
        lane.call(lambda: None)


def test_closing_waits_for_what_is_under_way_but_not_for_ever() -> None:
    begun, go_on, lane = threading.Event(), threading.Event(), ThreadLane(1)
    lane.submit("a", lambda: (begun.set(), go_on.wait(20)))
    assert begun.wait(20)
    begin = time.monotonic()
    assert not lane.close(0.2) and time.monotonic() - begin < 5
    go_on.set()
    assert lane.close(5)


def test_the_thread_ends_with_its_perception(two_tasks: Path) -> None:
    lane = ThreadLane(1)
    perception = load(two_tasks, lane)
    step(perception, noise_video(1)[0], 0)
    gone = weakref.ref(perception)
    del perception
    gc.collect()
    assert gone() is None and lane.close(0)
