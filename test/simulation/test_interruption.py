# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulation that is stopped leaves complete clips, and no process."""

from __future__ import annotations

import signal
from pathlib import Path

from process_groups import is_gone, start, wait_for

from mila_ros.data.clip_folder import ClipFolder


def test_a_simulation_that_is_stopped_keeps_its_clips(tmp_path: Path) -> None:
    words = ["simulate", "--world", "rooms", "--seed", 950_000, "--clips", 1000, "--frames", 2]
    words += ["--size", "64x32", "--samples", 0, "--jobs", 2, "--out", tmp_path]
    with start("-m", "mila_ros.cli", *words) as simulation:
        wait_for(lambda: any(tmp_path.glob("95*")), "a clip", 120)
        simulation.send_signal(signal.SIGTERM)
        said = simulation.communicate(timeout=60)[1]
    assert simulation.returncode == 128 + signal.SIGTERM
    (line,) = said.splitlines()
    assert line.startswith("stopped after ")
    assert line.endswith(" clips; run the same command again for the rest")
    wait_for(lambda: is_gone(simulation.pid), "the workers' end")
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) < 1000 and not any(name.startswith(".") for name in names)
    assert {len(ClipFolder.open(tmp_path / name)) for name in names} == {2}
