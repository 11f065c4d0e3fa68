# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node run by run_node() ends by a signal: in time, in order, with status 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NODE = """
    import sys, threading, time
    from rclpy.node import Node
    from std_msgs.msg import Empty
    from mila_ros.errors import MilaError
    from mila_ros.ros.spin import run_node

    class Talker(Node):
        '''Publishes from a thread of its own until destroyed.'''

        def __init__(self):
            super().__init__("talker")
            self._topic = self.create_publisher(Empty, "~/tick", 1)
            self._is_ending = threading.Event()
            self._thread = threading.Thread(target=self._talk)
            self._thread.start()
            self.create_timer(0.05, self._tick)

        def _tick(self):
            print("spinning", flush=True)

        def _talk(self):
            while not self._is_ending.is_set():
                self._topic.publish(Empty())
                time.sleep(0.001)

        def destroy_node(self):
            self._is_ending.set()
            self._thread.join()
            super().destroy_node()
            print("destroyed", flush=True)
"""


def start(body: str, *arguments: str) -> subprocess.Popen[str]:
    source = textwrap.dedent(NODE) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )


def end(process: subprocess.Popen[str], number: int, *, times: int = 1) -> tuple[float, str, str]:
    began = time.monotonic()
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.02)
    out, err = process.communicate(timeout=20)
    return time.monotonic() - began, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_ends_it_in_order(ros_domain: int, number: int, times: int) -> None:
    process = start("sys.exit(run_node(Talker))")
    assert process.stdout.readline() == "spinning\n"
    seconds, out, err = end(process, number, times=times)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("destroyed\n")
    assert seconds < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_hangs_is_abandoned_in_time(ros_domain: int, number: int) -> None:
    process = start(
        """
        def hang():
            print("making", flush=True)
            time.sleep(30)

        sys.exit(run_node(hang))
        """
    )
    assert process.stdout.readline() == "making\n"
    seconds, _, err = end(process, number)
    assert (process.returncode, err) == (0, "")
    assert seconds < 3


def test_exit_functions_run_but_the_tear_down_is_skipped(ros_domain: int) -> None:
    process = start(
        """
        import atexit

        class Slow:
            def __del__(self):
                time.sleep(10)

        atexit.register(print, "left", flush=True)
        sys.slow = Slow()
        sys.exit(run_node(Talker))
        """
    )
    assert process.stdout.readline() == "spinning\n"
    seconds, out, err = end(process, signal.SIGINT)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("destroyed\nleft\n")
    assert seconds < 3


def test_exit_functions_that_hang_are_abandoned_too(ros_domain: int) -> None:
    process = start(
        """
        import atexit

        atexit.register(time.sleep, 30)
        sys.exit(run_node(Talker))
        """
    )
    assert process.stdout.readline() == "spinning\n"
    seconds, out, err = end(process, signal.SIGTERM)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("destroyed\n")
    assert seconds < 3


def test_a_users_mistake_is_one_line(ros_domain: int) -> None:
    process = start(
        """
        def refuse():
            raise MilaError("The model is not there.")

        sys.exit(run_node(refuse))
        """
    )
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (1, "", "The model is not there.\n")


def test_arguments_that_ros_does_not_know_are_one_line(ros_domain: int) -> None:
    process = start("sys.exit(run_node(Talker))", "--ros-args", "--nonsense")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "nonsense" in err


def test_a_fault_in_a_callback_is_not_hidden(ros_domain: int) -> None:
    process = start(
        """
        class Faulty(Talker):
            def _tick(self):
                raise ZeroDivisionError("a bug")

        sys.exit(run_node(Faulty))
        """
    )
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ZeroDivisionError: a bug" in err
    assert out == "destroyed\n"


def test_a_node_can_end_the_process_itself(ros_domain: int) -> None:
    process = start(
        """
        class Short(Talker):
            def _tick(self):
                self.context.try_shutdown()

        sys.exit(run_node(Short))
        """
    )
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "destroyed\n")
