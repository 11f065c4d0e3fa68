# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that end together: a pool whose workers go with it, and SIGTERM taken as Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from mila_ros.errors import MilaError
from mila_ros.memory import keep_freed_memory


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class WorkerLost(MilaError):
    """A worker process ended in the middle of its work."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, by raising :class:`Terminated`; main thread only.

    Both signals do afterwards what they did before, whatever the block has set.
    """

    def interrupt(*_: object) -> None:
        raise Terminated

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def worker_processes(
    count: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that are never left behind.

    Leaving the block waits for what is being done and drops what is not begun; an interruption,
    or the end of this process by any signal, ends them in the middle of it. They are spawned: a
    forked process cannot use its parent's OpenGL or CUDA.

    Args:
        count: Processes.
        initializer: Called in each of them first.
        initargs: For it.

    Raises:
        WorkerLost: One of them was killed, or crashed.
    """
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _start, (theirs, initializer, initargs))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise WorkerLost(
            "a worker process was killed or crashed, perhaps for want of memory; run it again, "
            "with fewer --jobs if that is the cause"
        ) from error
    except Exception:  # of the block: its work ends as it is, and the error goes on
        raise
    except BaseException:  # KeyboardInterrupt, or the end of a generator that holds the block
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()


def _start(
    lifeline: Connection, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]
) -> None:
    # Ctrl-C reaches every process of a terminal; what it means is decided by the first of them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    keep_freed_memory()
    if initializer is not None:
        initializer(*initargs)


def _end_with(lifeline: Connection) -> None:
    """End this process when the other end of the pipe is closed, if only by its owner's end."""
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)
