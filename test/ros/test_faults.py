# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What breaks around the node, over DDS: it goes on, and says what happened."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fault_bench import active
from perception_bench import as_dict, stamp_of
from sensor_msgs.msg import Image

MASK = "segmentation/mask"

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
