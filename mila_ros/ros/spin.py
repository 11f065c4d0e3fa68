# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run one node until a signal ends it: in order, in time, with exit status 0."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from mila_ros.errors import MilaError
from mila_ros.ros.distributions import leave_to_owner

GRACE_S = 2.5
"""Seconds from SIGINT or SIGTERM after which the process ends even if something hangs."""


_ended_by_signal = threading.Event()


def run_node(
    factory: Callable[[], Node],
    args: Sequence[str] | None = None,
    *,
    grace_s: float = GRACE_S,
) -> int:
    """Create a node and spin it on a single-threaded executor until SIGINT or SIGTERM.

    ROS stays up until the node is destroyed, so that no thread of the node finds its
    publishers gone under it: a node with threads joins them in its ``destroy_node()``.
    What has not come to its end ``grace_s`` seconds after the signal (a network in the middle
    of a frame, a model being loaded) is abandoned, still with exit status 0. The process then
    ends without the interpreter's tear-down, which takes torch seconds on a busy machine, but not
    without what was registered with ``atexit``.

    Args:
        factory: makes the node once ROS is up. A ``MilaError`` that it raises is printed as
            one line.
        args: the command line without the program's name; None reads ``sys.argv``.
        grace_s: see above, in seconds.

    Returns:
        The exit status: 0 ended by a signal or by the node, 1 the node could not be made,
        2 the command line is wrong.
    """
    stop = threading.Event()
    with _signals(stop, grace_s) as on_signal:
        try:
            # rclpy's own handlers take the context down at once, under the node's threads.
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # rclpy's argument errors, all derived from it
            print(f"The ROS arguments were not understood: {_one_line(error)}", file=sys.stderr)
            return 2
        try:
            status = _spin(factory, stop, on_signal)
        finally:
            rclpy.try_shutdown()
    if stop.is_set() and status == 0:
        _ended_by_signal.set()
    return status


def _spin(
    factory: Callable[[], Node], stop: threading.Event, on_signal: list[Callable[[], object]]
) -> int:
    executor = SingleThreadedExecutor()
    # A task makes spin_once() return; a mere wake-up does not.
    on_signal.append(lambda: executor.create_task(_nothing))
    node: Node | None = None
    try:
        node = factory()
        leave_to_owner(node)
        executor.add_node(node)
        while rclpy.ok() and not stop.is_set():
            executor.spin_once()
    except ExternalShutdownException:
        pass
    except MilaError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        on_signal.clear()
        executor.shutdown(timeout_sec=0.0)
        if node is not None:
            node.destroy_node()
    return 0


@contextlib.contextmanager
def _signals(stop: threading.Event, grace_s: float) -> Iterator[list[Callable[[], object]]]:
    """Set ``stop`` on SIGINT or SIGTERM, then call what the yielded list holds.

    Python runs a signal's handler in the main thread between two bytecodes, which may be
    seconds away while a model loads. The byte written by ``set_wakeup_fd`` is read at once.
    """
    callbacks: list[Callable[[], object]] = []
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    wakeup_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    ended = threading.Event()

    def watch() -> None:
        while byte := reader.recv(1):
            if byte[0] in numbers:
                break
        else:
            return
        stop.set()
        for callback in list(callbacks):
            callback()
        if not ended.wait(grace_s):
            os._exit(0)  # without flushing, which may be what hangs

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    try:
        yield callbacks
    except BaseException:  # it goes on, and the watcher is not to end the process before it
        ended.set()
        raise
    finally:
        signal.set_wakeup_fd(wakeup_before)
        is_signalled = stop.is_set()
        # `ros2 launch` sends a second SIGINT on Ctrl-C: it must not meet Python's own handler, nor
        # none at all, which is what Python leaves in place of ours when it finalises.
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if is_signalled else handler)
        writer.close()
        if not is_signalled:  # else it watches over the exit functions too
            watcher.join()
            reader.close()


def _leave() -> None:
    if _ended_by_signal.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


# What is registered first is called last: everybody else's exit functions have run by then.
atexit.register(_leave)


def _nothing() -> None:
    """The task that ends a wait."""


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
