# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executable in a process of its own: services, and an end by a signal at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.srv import ChangeState, GetState
from perception_bench import RELIABLE, picture
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mila_ros.ros.conversions import rgb_message

ROOT = Path(__file__).parents[2]
MODULE = ("-m", "mila_ros.ros.perception_node")
HANGING = """
import sys, time
from mila_ros.streaming import Perception
from mila_ros.ros.perception_node import main

step_batch, count = Perception.step_batch, 0

def hanging_step_batch(*arguments, **options):
    global count
    count += 1
    if count == 3:
        print("hanging", file=sys.stderr, flush=True)
        time.sleep(60)
    return step_batch(*arguments, **options)

Perception.step_batch = hanging_step_batch
sys.exit(main())
"""

SLOW_TO_LOAD = """
import sys, time
from mila_ros.streaming import Perception
from mila_ros.ros.perception_node import main

load = Perception.load

def slow_load(*arguments, **options):
    print("loading", file=sys.stderr, flush=True)
    time.sleep(30)
    return load(*arguments, **options)

Perception.load = slow_load
sys.exit(main())
"""


class Client:
    """A node that sends images at 50 Hz and counts the masks."""

    def __init__(self) -> None:
        self.node = Node("client")
        self.masks: list[Image] = []
        self.node.create_subscription(Image, "/mila/segmentation/mask", self.masks.append, RELIABLE)
        self._images = self.node.create_publisher(Image, "/mila/input/image", RELIABLE)
        self.node.create_timer(0.02, self._send)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        while not self._is_ending.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _send(self) -> None:
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id="front")
        self._images.publish(rgb_message(picture(), header))

    def call(self, kind: type, name: str, request: Any, accept: Callable[[Any], bool]) -> Any:
        """Call a service as people do, again if nothing comes: DDS may still be discovering."""
        client = self.node.create_client(kind, name)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if client.wait_for_service(timeout_sec=1.0):
                future = client.call_async(request)
                wait(future.done, 2.0)
                if future.done() and accept(future.result()):
                    return future.result()
            time.sleep(0.1)
        raise AssertionError(f"{name} did not answer as expected")

    def reach(self, transition: int, state: str) -> None:
        request = ChangeState.Request()
        request.transition.id = transition
        self.call(ChangeState, "/mila/change_state", request, lambda _: True)

        def is_there(response) -> bool:
            return response.current_state.label == state

        self.call(GetState, "/mila/get_state", GetState.Request(), is_there)

    def close(self) -> None:
        self._is_ending.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()


def wait(condition: Callable[[], Any], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and not condition():
        time.sleep(0.01)
    return bool(condition())


@pytest.fixture
def client(ros) -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture
def start(ros_domain: int, tiny_model: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start(*program: str, **parameters: Any) -> subprocess.Popen[str]:
        values = {"model": tiny_model, "cpu_threads": 1, "precision": "fp32", **parameters}
        arguments = [text for pair in values.items() for text in ("-p", "{}:={}".format(*pair))]
        process = subprocess.Popen(
            [sys.executable, *(program or MODULE), "--ros-args", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        if not process.stderr.closed:
            print(process.stderr.read())  # what it said, where a test has failed
        process.wait()
        process.stderr.close()


def end(process: subprocess.Popen[str], number: int) -> str:
    begin = time.monotonic()
    process.send_signal(number)
    _, text = process.communicate(timeout=20)
    assert time.monotonic() - begin < 3
    assert process.returncode == 0
    assert "Traceback" not in text and "[ERROR]" not in text
    return text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_frames_flow(start, client: Client, number: int) -> None:
    process = start()
    assert wait(lambda: len(client.masks) >= 5, 60)
    end(process, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_the_model_loads(start, monkeypatch, number: int) -> None:
    # A node that is abandoned stays in the graph for a while: not in that of the other tests.
    monkeypatch.setenv("ROS_DOMAIN_ID", "232")
    process = start("-c", SLOW_TO_LOAD)
    while "loading" not in process.stderr.readline():
        assert process.poll() is None
    assert "Loaded" not in end(process, number)


def test_a_network_that_hangs_does_not_keep_the_process(start, client: Client) -> None:
    process = start("-c", HANGING)
    while "hanging" not in process.stderr.readline():
        assert process.poll() is None
    end(process, signal.SIGINT)


def test_consumers_go_on_when_the_node_is_killed_and_comes_back(start, client: Client) -> None:
    for _ in range(2):
        process = start()
        before = len(client.masks)
        assert wait(lambda count=before: len(client.masks) >= count + 5, 60)
        process.kill()
        process.wait()
    stamps = [(mask.header.stamp.sec, mask.header.stamp.nanosec) for mask in client.masks]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)


def test_a_lifecycle_manager_can_mend_and_bring_it_up(start, client: Client, tiny_model) -> None:
    process = start(autostart="false", model="no_such_model")
    reach = client.reach
    reach(1, "unconfigured")
    parameter = Parameter("model", value=str(tiny_model)).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])

    def succeeded(response) -> bool:
        return response.results[0].successful

    client.call(SetParameters, "/mila/set_parameters", request, succeeded)
    reach(1, "inactive")
    reach(3, "active")
    assert wait(lambda: client.masks, 20)
    reach(4, "inactive")
    reach(2, "unconfigured")
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=20)
    assert process.returncode == 0
    errors = [line for line in text.splitlines() if "[ERROR]" in line]
    assert errors and all("no_such_model" in line for line in errors)
    assert "Traceback" not in text


def test_a_parameter_of_the_wrong_type_is_one_line(start) -> None:
    process = start(max_gap_s=1)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(text.splitlines()) == 1
    assert "max_gap_s" in text and "write 1.0, not 1" in text
