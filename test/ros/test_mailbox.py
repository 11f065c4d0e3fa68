# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The mailbox keeps the newest frame, counts what it replaces and is fair."""

from __future__ import annotations

import threading
import time

from mila_ros.ros.mailbox import Mailbox


def test_newest_item_wins_and_replaced_ones_are_told() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert [mailbox.put("front", number) for number in range(4)] == [False, True, True, True]
    assert mailbox.take(timeout_s=0.0) == {"front": 3}
    assert mailbox.take(timeout_s=0.0) == {}
    assert mailbox.put("front", 4) is False


def test_a_busy_camera_does_not_starve_another() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put("front", 0)
    mailbox.put("left", 0)
    order = []
    for number in range(1, 7):
        (camera,) = mailbox.take(timeout_s=0.0)
        order.append(camera)
        for _ in range(3):
            mailbox.put("front", number)
        mailbox.put("left", number)
    assert order == ["front", "left"] * 3


def test_a_replaced_item_keeps_its_turn() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put("front", 0)
    mailbox.put("left", 0)
    mailbox.put("front", 1)
    assert mailbox.take(timeout_s=0.0) == {"front": 1}
    assert mailbox.take(timeout_s=0.0) == {"left": 0}


def test_what_waits_is_taken_together_up_to_a_limit() -> None:
    mailbox: Mailbox[int] = Mailbox()
    for camera in ("front", "left", "right", "rear", "left"):
        mailbox.put(camera, 1)
    assert list(mailbox.take(3).items()) == [("front", 1), ("left", 1), ("right", 1)]
    mailbox.put("front", 2)
    assert list(mailbox.take(3)) == ["rear", "front"]
    assert mailbox.take(3, timeout_s=0.0) == {}
    # Right has been waiting for longer than rear and front, whoever sends first.
    for camera in ("front", "rear", "left", "right"):
        mailbox.put(camera, 3)
    assert list(mailbox.take(2)) == ["left", "right"]
    mailbox.put("new", 1)
    assert list(mailbox.take(2)) == ["new", "rear"]


def test_take_waits_for_a_put_from_another_thread() -> None:
    mailbox: Mailbox[str] = Mailbox()
    thread = threading.Timer(0.1, mailbox.put, ("front", "frame"))
    thread.start()
    assert mailbox.take(timeout_s=5.0) == {"front": "frame"}
    thread.join()


def test_wake_ends_a_take_once_and_keeps_the_items() -> None:
    mailbox: Mailbox[int] = Mailbox()
    thread = threading.Timer(0.05, mailbox.wake)
    thread.start()
    start = time.monotonic()
    assert mailbox.take(timeout_s=5.0) == {}
    assert time.monotonic() - start < 2.0
    thread.join()
    mailbox.put("front", 1)
    mailbox.wake()
    assert mailbox.take(timeout_s=0.0) == {}
    assert mailbox.take(timeout_s=0.0) == {"front": 1}


def test_clear_empties_the_slots() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put("front", 1)
    mailbox.clear()
    assert mailbox.take(timeout_s=0.0) == {}
    assert mailbox.put("front", 2) is False


def test_every_item_is_either_taken_or_counted_under_load() -> None:
    mailbox: Mailbox[int] = Mailbox()
    count, taken = 2000, {"front": [], "left": []}
    replaced = dict.fromkeys(taken, 0)

    def send(camera: str) -> None:
        for number in range(count):
            replaced[camera] += mailbox.put(camera, number)

    threads = [threading.Thread(target=send, args=(camera,)) for camera in taken]
    for thread in threads:
        thread.start()
    while items := mailbox.take(timeout_s=0.3):
        for camera, number in items.items():
            taken[camera].append(number)
    for thread in threads:
        thread.join()
    for camera, numbers in taken.items():
        assert len(numbers) + replaced[camera] == count
        assert numbers == sorted(numbers)
        assert numbers[-1] == count - 1
