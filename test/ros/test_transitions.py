# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions, services and parameters at random while a camera sends, all over DDS."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fault_bench import active
from lifecycle_msgs.srv import ChangeState, GetState
from perception_bench import TIMEOUT_S, Bench, stamp_of
from sensor_msgs.msg import Image

MASK = "segmentation/mask"
ALLOWED = {"unconfigured": {1}, "inactive": {2, 3}, "active": {4}}
"""1 configures, 2 cleans up, 3 activates, 4 deactivates."""

ACTIONS = 60


class Manager:
    """A lifecycle manager, which asks the node over DDS."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._clients = {
            kind: bench.client.create_client(kind, f"/mila/{name}")
            for kind, name in ((ChangeState, "change_state"), (GetState, "get_state"))
        }
        assert all(c.wait_for_service(timeout_sec=TIMEOUT_S) for c in self._clients.values())
        bench.wait(lambda: self.state() == "active")

    def _call(self, request: ChangeState.Request | GetState.Request) -> object:
        kind = ChangeState if isinstance(request, ChangeState.Request) else GetState
        future = self._clients[kind].call_async(request)
        self._bench.wait(future.done)
        return future.result()

    def state(self) -> str:
        return self._call(GetState.Request()).current_state.label

    def change(self, number: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = number
        return self._call(request).success


@contextmanager
def camera(bench: Bench) -> Iterator[list[Image]]:
    """Frames at some 200 Hz; what was sent."""
    is_ending, sent = threading.Event(), []
    (topic,) = bench._inputs.values()

    def run() -> None:
        while not is_ending.wait(0.004):
            sent.append(bench.image())
            topic.publish(sent[-1])

    flow = threading.Thread(target=run)
    flow.start()
    try:
        yield sent
    finally:
        is_ending.set()
        flow.join()


def test_transitions_at_random_while_frames_flow(make_bench, capfd) -> None:
    bench = active(make_bench)
    bench.watch(MASK, "depth/image")
    bench.connect()
    manager = Manager(bench)
    rng, seen = random.Random(5), set()
    with camera(bench) as sent:
        for _ in range(ACTIONS):
            action = rng.choice(["transition"] * 6 + ["enable", "set"])
            if action == "transition":
                before, number = manager.state(), rng.randint(1, 4)
                is_allowed = number in ALLOWED[before]
                assert manager.change(number) == is_allowed, (before, number)
                assert is_allowed or manager.state() == before
                seen.add((before, number))
            elif action == "enable":
                assert bench.enable(rng.random() < 0.7).success
            else:
                assert bench.set("keyframe_period_s", rng.choice([0.1, 0.5])) == ""
            time.sleep(rng.choice([0.0, 0.0, 0.02]))
        allowed = {(state, number) for state in ALLOWED for number in ALLOWED[state]}
        assert seen >= allowed and seen - allowed
        assert bench.enable(True).success
        for number in {"unconfigured": (1, 3), "inactive": (3,)}.get(manager.state(), ()):
            assert manager.change(number)
        bench.wait(
            lambda: (
                bench.received[MASK]
                and stamp_of(bench.received[MASK][-1]) in {stamp_of(image) for image in sent[-100:]}
            )
        )
    bench.connect()
    image = bench.image()
    assert bench.answer(image).header == image.header
    assert bench.answer_with(image.header, "depth/image").header == image.header
    errors = [line for line in capfd.readouterr().err.splitlines() if "[ERROR]" in line]
    # Kilted itself logs a transition that the state does not have.
    assert [line for line in errors if "Unable to start transition" not in line] == []


def test_every_answer_in_a_life_of_transitions_is_of_a_frame_and_counted(bench) -> None:
    bench.watch(MASK)
    bench.connect()
    manager = Manager(bench)
    account = bench.node._cameras["camera"].statistics
    before = account.counts()
    unwanted: set[float] = set()
    with camera(bench) as sent:
        for _ in range(6):
            count = len(bench.received[MASK])
            bench.wait(lambda count=count: len(bench.received[MASK]) > count)
            assert manager.change(4)
            first = len(sent) + 1  # one may be about to be published
            bench.wait(lambda first=first: len(sent) > first + 4)
            unwanted |= {stamp_of(image) for image in sent[first:]}
            assert manager.change(3)
    time.sleep(0.3)
    stamps = [stamp_of(mask) for mask in bench.received[MASK]]
    assert stamps == sorted(set(stamps)) and set(stamps) <= {stamp_of(image) for image in sent}
    assert unwanted and not unwanted & set(stamps)  # inactive: frames come, no answer
    bench.wait(lambda: not bench.node._worker.mailbox._slots)
    image = bench.image()
    bench.answer(image)
    counts = account.counts()
    new = {cause: n - before.dropped.get(cause, 0) for cause, n in counts.dropped.items()}
    assert {cause for cause, n in new.items() if n} <= {"replaced"}
    # A frame that waits when the node is deactivated is forgotten, at most one each time.
    lost = counts.received - before.received - (counts.answered - before.answered)
    assert 0 <= lost - new.get("replaced", 0) <= 6
