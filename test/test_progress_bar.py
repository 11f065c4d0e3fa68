# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bar for a person, and a line a minute for a log file."""

from __future__ import annotations

import pytest

from mila_ros import progress_bar
from mila_ros.progress_bar import progress, shown


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock: one reading, in minutes."""
    now = [0.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: 60 * now[0])
    return now


def test_a_bar_is_for_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(shown(iter("abc"), "clip", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(shown(iter("abc"), "clip", 3)) == ["a", "b", "c"]
    last = capsys.readouterr().err.split("\r")[-1]
    assert "100%" in last and "3/3" in last and "clip/s" in last


def test_a_log_gets_a_line_a_minute(
    minutes: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("frame", 100) as shows:
        for minutes[0] in (0.5, 1.0, 1.9, 2.0, 9.0):
            shows.update(20)
    # Nothing is left to say at the end.
    assert capsys.readouterr().err.splitlines() == [
        "40 of 100 frames, 1 min, about 2 min to go",
        "80 of 100 frames, 2 min, about 1 min to go",
    ]


def test_the_end_need_not_be_known(
    minutes: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for minutes[0], _ in zip((1.0, 3.0), shown(iter("ab"), "clip"), strict=False):
        pass
    assert capsys.readouterr().err.splitlines() == ["1 clips, 1 min"]
