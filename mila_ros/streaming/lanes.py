# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the slow network runs beside the frames: one run at a time, the cameras in turn."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch

NICENESS = 5
"""By how much the slow network's threads give way to all others, in the units of nice(1)."""

Job = Callable[[], Any]


class Lane:
    """Takes turns, and runs jobs only when it is told to, which is what tests want.

    A camera has one place: its newer job replaces the one that waits, and keeps its turn.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, Job] = {}
        self._is_busy = False

    def submit(self, camera: str, job: Job) -> None:
        """Have a job done when it is the camera's turn; it must not raise."""
        with self._changed:
            self._waiting[camera] = job
            self._changed.notify_all()

    def is_free(self) -> bool:
        """Whether no job waits or runs."""
        with self._changed:
            return not (self._waiting or self._is_busy)

    def call(self, job: Job) -> Any:
        """Do a job where those of the cameras are done, and return or raise what it does."""
        return job()

    def tick(self, camera: str) -> None:  # noqa: B027 (only a simulated lag counts frames)
        """A frame of the camera has come."""

    def run_next(self) -> bool:
        """Do the job that has waited the longest; False when none waits."""
        with self._changed:
            if not self._waiting:
                return False
            job = self._waiting.pop(next(iter(self._waiting)))
            self._is_busy = True
        try:
            job()
        finally:
            with self._changed:
                self._is_busy = False
        return True

    def close(self, timeout_s: float) -> bool:
        """Give up all jobs that wait; False when one that has begun does not end in time."""
        with self._changed:
            self._waiting.clear()
        return True


class LagLane(Lane):
    """Does a camera's job so many of its frames later: the same at every speed of the machine.

    Args:
        frames: At least 1.

    Raises:
        ValueError: For fewer.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise ValueError(f"keyframes beside the frames lag by 1 frame or more, not by {frames}")
        self._frames = frames
        self._under_way: dict[str, list[list[Any]]] = {}  # frames to wait, and the job

    def submit(self, camera: str, job: Job) -> None:
        self._under_way.setdefault(camera, []).append([self._frames, job])

    def is_free(self) -> bool:
        """Always: cameras do not wait for each other here."""
        return True

    def tick(self, camera: str) -> None:
        jobs = self._under_way.get(camera, [])
        for entry in jobs:
            entry[0] -= 1
        while jobs and jobs[0][0] == 0:
            jobs.pop(0)[1]()


class ThreadLane(Lane):
    """A thread of its own, which gives way to the frames.

    Args:
        threads: What the slow network computes with on a CPU; 0 for half of PyTorch's, at least 1.
    """

    def __init__(self, threads: int = 0) -> None:
        super().__init__()
        frames = torch.get_num_threads()
        self.threads = threads or max(frames // 2, 1)
        self._is_closing = False
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="keyframes", daemon=True
        )
        self._thread.start()
        started.wait()
        # It holds for the thread that asks, and for threads to come: those are not the lane's.
        torch.set_num_threads(frames)

    def call(self, job: Job) -> Any:
        if self._is_closing:
            raise RuntimeError("the slow network's thread has been ended")
        future: Future[Any] = Future()
        name = f"call {id(future)}"
        self.submit(name, lambda: _settle(future, job))
        return future.result()

    def close(self, timeout_s: float) -> bool:
        super().close(timeout_s)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self, started: threading.Event) -> None:
        torch.set_num_threads(self.threads)
        torch.get_num_threads()  # at its first use a thread takes over the number set last
        if sys.platform == "linux":  # where threads have a niceness each, and children inherit it
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        started.set()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if self._is_closing:
                    return
            self.run_next()


def _settle(future: Future[Any], job: Job) -> None:
    try:
        future.set_result(job())
    except BaseException as error:  # raised again where the result is read
        future.set_exception(error)
