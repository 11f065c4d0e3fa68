# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What breaks around the node, over DDS: it goes on, and says what happened.

``MILA_STORM=10000 pytest test/ros/test_faults.py`` makes the storms as long.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from malformed import COMPRESSED, RAW, spoiled
from perception_bench import Bench, as_dict, picture, stamp_of
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

MASK = "segmentation/mask"
STORM = int(os.environ.get("MILA_STORM", "320"))
MEMORY_MB = 60.0
RELIABLE_INPUT = {"qos_overrides./mila/input/image.subscription.reliability": "reliable"}
RELIABLE_COMPRESSED = {
    "qos_overrides./mila/input/image/compressed.subscription.reliability": "reliable"
}

CAMERA = """
import time
import rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("driver")
topic = node.create_publisher(Image, "/mila/input/image", 1)
image = Image(height=64, width=128, step=384, encoding="rgb8", data=bytes(64 * 384))
while True:
    image.header.stamp = node.get_clock().now().to_msg()
    topic.publish(image)
    time.sleep(0.02)
"""

READER = """
import rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("reader")
def on_mask(mask):
    print(f"{mask.header.stamp.sec}.{mask.header.stamp.nanosec:09d}", flush=True)
node.create_subscription(Image, "/mila/segmentation/mask", on_mask, 1)
rclpy.spin(node)
"""


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start(program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def active(make_bench: Callable[..., Bench], **overrides: object) -> Bench:
    bench = make_bench(**{name.replace(".", "__"): value for name, value in overrides.items()})
    assert bench.change("configure") and bench.change("activate")
    return bench


def test_a_camera_is_killed_and_comes_back(make_bench, start) -> None:
    bench = active(make_bench, image_timeout_s=0.4, max_gap_s=0.4)
    bench.watch(MASK)
    for _ in range(2):
        driver = start(CAMERA)
        before = len(bench.received[MASK])
        bench.wait(lambda count=before: len(bench.received[MASK]) >= count + 3)
        assert bench.status("input camera", state="ok").level == DiagnosticStatus.OK
        driver.kill()
        assert bench.status("input camera", state="stale").level == DiagnosticStatus.WARN
    bench.status("input camera", **{"resets.gap": "1", "resets.start": "1"})
    stamps = [stamp_of(mask) for mask in bench.received[MASK]]
    assert stamps == sorted(stamps)


def test_a_reader_that_stops_reading_holds_up_nobody(bench, start) -> None:
    bench.watch(MASK)
    bench.connect()
    reader = start(READER)

    def read() -> bool:
        bench.answer(bench.image())
        return bench.client.count_subscribers(f"/mila/{MASK}") == 2

    bench.wait(read)
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(reader.stdout), daemon=True).start()
    time.sleep(0.5)  # the two sides find each other
    reader.send_signal(signal.SIGSTOP)
    bench.received[MASK].clear()
    sent = [bench.image(seed, (240, 320)) for seed in range(40)]
    for image in sent:
        begin = time.monotonic()
        bench.answer(image)
        assert time.monotonic() - begin < 5
    assert [stamp_of(mask) for mask in bench.received[MASK]] == [stamp_of(image) for image in sent]
    reader.send_signal(signal.SIGCONT)

    def reads_again() -> bool:
        stamp = bench.answer(bench.image()).header.stamp
        time.sleep(0.05)
        return f"{stamp.sec}.{stamp.nanosec:09d}\n" in lines

    bench.wait(reads_again)


def test_a_subscription_that_is_never_spun_holds_up_nobody(bench) -> None:
    from rclpy.node import Node

    bench.watch(MASK)
    idle = Node("idle", context=bench._context)
    for number in range(3):
        idle.create_subscription(Image, f"/mila/{MASK}", lambda _: pytest.fail("spun"), 10 + number)
    bench.wait(lambda: bench.client.count_subscribers(f"/mila/{MASK}") == 4)
    bench.connect()
    for seed in range(30):
        image = bench.image(seed)
        assert bench.answer(image).header == image.header
    idle.destroy_node()
    image = bench.image()
    assert bench.answer(image).header == image.header


def test_who_reads_the_diagnostics_may_go_and_come(bench) -> None:
    bench.watch(MASK)
    bench.connect()
    (subscription,) = [s for s in bench.client.subscriptions if s.topic_name == "/diagnostics"]
    for _ in range(3):
        bench.client.destroy_subscription(subscription)
        for seed in range(3):
            image = bench.image(seed)
            assert bench.answer(image).header == image.header
        bench.diagnostics.clear()
        subscription = bench.client.create_subscription(
            DiagnosticArray, "/diagnostics", bench._on_diagnostics, 10
        )
        assert bench.status("input camera", state="ok").level == DiagnosticStatus.OK


class SimulatedClock:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._topic = bench.client.create_publisher(Clock, "/clock", 10)
        bench.wait(self._topic.get_subscription_count)

    def set(self, seconds: float) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(seconds), round(seconds % 1 * 1e9)

        def is_set() -> bool:
            self._topic.publish(message)
            return abs(self._bench.node._now_ns() - seconds * 1e9) < 1e3

        self._bench.wait(is_set)


def at(image: Image, seconds: float) -> Image:
    image.header.stamp.sec, image.header.stamp.nanosec = int(seconds), round(seconds % 1 * 1e9)
    return image


def test_a_bag_that_loops_starts_afresh_each_time_and_loses_nothing(make_bench) -> None:
    bench = active(
        make_bench,
        use_sim_time=True,
        keyframe_policy="every",
        keyframe_every=1000,
        keyframe_max_age_s=100.0,
    )
    clock = SimulatedClock(bench)
    bench.watch(MASK, "keyframe")
    clock.set(1000.0)
    bench.connect(lambda: at(bench.image(), 1000.0 + 0.001 * next(numbers)))
    for _ in range(3):
        for number in range(4):
            clock.set(500.0 + 0.1 * number)
            bench.received[MASK].clear()
            bench.answer(at(bench.image(number), 500.0 + 0.1 * number))
    assert [stamp_of(header) for header in bench.received["keyframe"]] == [500.0] * 3
    resets = bench.node._pipeline.perception.resets("camera")
    assert resets["time_jump_back"] == 3
    values = as_dict(bench.status("input camera", **{"resets.time_jump_back": "3"}))
    assert "resets.gap" not in values and "dropped.failed" not in values


numbers = iter(range(10_000))


def test_without_a_clock_frames_are_answered_and_keyframes_come_by_age(make_bench) -> None:
    bench = active(make_bench, use_sim_time=True, keyframe_period_s=0.1, keyframe_max_age_s=0.45)
    assert bench.node._now_ns() == 0
    bench.watch(MASK, "keyframe")
    bench.connect()
    bench.node._pipeline.perception.reset(cause="activated")
    sent = [bench.image(seed) for seed in range(11)]
    for image in sent:
        assert bench.answer(image).header == image.header
    # 0.1 s apart: the timer stands still with the clock, so that only the age makes one.
    bench.wait(lambda: len(bench.received["keyframe"]) == 3)
    assert bench.received["keyframe"] == [sent[number].header for number in (0, 5, 10)]
    assert as_dict(bench.status("processing"))["latency_ms.p50"] == "n/a"
    SimulatedClock(bench).set(1_700_000_000.0)
    image = bench.image()
    assert bench.answer(image).header == image.header


def test_a_full_gpu_is_counted_by_name_and_survived(bench, monkeypatch) -> None:
    bench.watch(MASK)
    bench.connect()

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(bench.node._pipeline.perception, "_compute", fail)
        bench.send(bench.image())
        status = bench.status("input camera", **{"dropped.out_of_memory": "1"})
    assert (status.level, as_dict(status)["state"]) == (DiagnosticStatus.ERROR, "failed")
    image = bench.image()
    assert bench.answer(image).header == image.header
    bench.status("input camera", state="ok")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def storm(bench: Bench, make: Callable[[int], Image | CompressedImage], kinds: list[str]) -> None:
    """Send STORM bad messages with a tenth as many good ones among them."""
    rng = np.random.default_rng(7)
    account = bench.node._cameras["camera"].statistics
    good, memory_mb = [], None
    before = sum(account.counts().dropped.values())
    for number in range(STORM):
        bench.send(spoiled(make(number), kinds[number % len(kinds)], rng))
        bad = before + number + 1
        bench.wait(lambda bad=bad: sum(account.counts().dropped.values()) == bad)
        if number % 10 == 9:
            message = make(number)
            assert bench.answer(message).header == message.header
            good.append(stamp_of(message))
            if memory_mb is None and number >= STORM // 4:
                memory_mb = resident_mb()
    assert [stamp_of(mask) for mask in bench.received[MASK]] == good
    counts = account.counts()
    causes = {cause for cause in counts.dropped if counts.dropped[cause]}
    assert causes and all(cause.startswith("rejected.") for cause in causes)
    assert sum(counts.dropped.values()) == before + STORM
    assert resident_mb() - memory_mb < MEMORY_MB
    bench.status("input camera", state="ok")


def test_a_storm_of_forty_kinds_of_malformed_images(make_bench, capfd) -> None:
    assert len(RAW) == 40
    bench = active(make_bench, **RELIABLE_INPUT)
    bench.watch(MASK)
    bench.connect()
    storm(bench, lambda seed: bench.image(seed), sorted(RAW))
    errors = [line for line in capfd.readouterr().err.splitlines() if "[ERROR]" in line]
    assert errors == []


def test_a_storm_of_malformed_compressed_images(make_bench, capfd) -> None:
    bench = active(make_bench, image_transport="compressed", **RELIABLE_COMPRESSED)

    def jpeg(seed: int = 0) -> CompressedImage:
        message = CompressedImage(header=bench.stamp(), format="jpeg")
        message.data = array("B", cv2.imencode(".jpg", picture(seed))[1].tobytes())
        return message

    bench.watch(MASK)
    bench.connect(jpeg)
    storm(bench, jpeg, sorted(COMPRESSED))
    errors = [line for line in capfd.readouterr().err.splitlines() if "[ERROR]" in line]
    assert errors == []


def test_transitions_at_random_while_frames_flow(make_bench, capfd) -> None:
    bench = active(make_bench)
    bench.watch(MASK, "depth/image")
    bench.connect()
    is_ending = threading.Event()

    def camera() -> None:
        (topic,) = bench._inputs.values()
        while not is_ending.wait(0.004):
            topic.publish(bench.image())

    flow = threading.Thread(target=camera)
    flow.start()
    rng, seen = random.Random(5), set()
    change_state = bench.node._service_change_state.callback
    try:
        for _ in range(60):
            action = rng.choice(["transition"] * 6 + ["enable", "set"])
            if action == "transition":  # 1 configure, 2 clean up, 3 activate, 4 deactivate
                request = ChangeState.Request()
                request.transition.id = rng.randint(1, 4)
                before = bench.state()
                response = bench.run(
                    lambda request=request: change_state(request, ChangeState.Response())
                )
                allowed = {"unconfigured": {1}, "inactive": {2, 3}, "active": {4}}[before]
                assert response.success == (request.transition.id in allowed)
                seen.add((before, request.transition.id))
            elif action == "enable":
                assert bench.enable(rng.random() < 0.7).success
            else:
                assert bench.set("keyframe_period_s", rng.choice([0.1, 0.5])) == ""
            time.sleep(rng.choice([0.0, 0.0, 0.02]))
    finally:
        is_ending.set()
        flow.join()
    assert {(state, number) for state, number in seen} >= {
        ("unconfigured", 1),
        ("inactive", 2),
        ("inactive", 3),
        ("active", 4),
    }
    assert bench.enable(True).success
    for transition in {"unconfigured": ("configure", "activate"), "inactive": ("activate",)}.get(
        bench.state(), ()
    ):
        assert bench.change(transition)
    bench.connect()
    image = bench.image()
    assert bench.answer(image).header == image.header
    assert bench.answer_with(image.header, "depth/image").header == image.header
    text = capfd.readouterr().err
    assert "[ERROR]" not in text and "Traceback" not in text
