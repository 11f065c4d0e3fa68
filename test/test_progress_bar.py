# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bar for a person, and nothing for a log file."""

from __future__ import annotations

import pytest

from mila_ros.progress_bar import shown


def test_a_bar_is_for_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(shown(iter("abc"), "clip", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(shown(iter("abc"), "clip", 3)) == ["a", "b", "c"]
    last = capsys.readouterr().err.split("\r")[-1]
    assert "100%" in last and "3/3" in last and "clip/s" in last
