# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No process outlives the one that started it, whatever ends that one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from process_groups import is_gone, start, wait_for

from mila_ros.processes import (
    Terminated,
    WorkerLost,
    terminated_like_interrupted,
    worker_processes,
)

# Announces its two workers, which then never end by themselves.
SCRIPT = """
import os, sys, time
sys.path[:0] = {path!r}
from mila_ros.processes import worker_processes

def work(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(600)

if __name__ == "__main__":
    with worker_processes(2) as pool:
        for future in [pool.submit(work, sys.argv[1]) for _ in range(2)]:
            future.result()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_owner(how: signal.Signals, tmp_path: Path) -> None:
    script, at_work = tmp_path / "script.py", tmp_path / "at_work"
    script.write_text(SCRIPT.format(path=[str(Path(__file__).resolve().parents[1])]))
    at_work.mkdir()
    with start(script, at_work) as owner:
        wait_for(lambda: len(list(at_work.iterdir())) == 2, "two workers")
        # Ctrl-C is for all processes of a terminal.
        os.killpg(owner.pid, how) if how == signal.SIGINT else owner.send_signal(how)
        said = owner.communicate(timeout=60)[1]
    assert owner.returncode == -how
    wait_for(lambda: is_gone(owner.pid), "the workers' end")
    assert said.count("Traceback") <= 1  # of the owner, which does not catch Ctrl-C


def test_a_worker_that_is_killed_is_said() -> None:
    with (
        pytest.raises(WorkerLost, match="a worker process was killed"),
        worker_processes(1) as pool,
    ):
        pool.submit(os._exit, 9).result()


def test_sigterm_is_taken_as_ctrl_c_inside_the_block_alone() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as stop, terminated_like_interrupted():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.raise_signal(signal.SIGTERM)
    assert stop.type is Terminated
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
