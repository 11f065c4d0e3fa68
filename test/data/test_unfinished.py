# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is half made is nobody else's, and gone when its maker is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mila_ros.data.unfinished import discard, folder_of, unfinished
from mila_ros.errors import MilaError

BEGIN = """
import sys
from pathlib import Path
from mila_ros.data.unfinished import unfinished
with unfinished(Path(sys.argv[1])) as path:
    path.mkdir()
    (path / "half").touch()
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_it_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "new" / "clip"
    with unfinished(target) as path:
        path.mkdir()
        (path / "frame").touch()
        assert path.name == "clip" and not target.exists()
        path.rename(target)
    assert [child.name for child in target.parent.iterdir()] == ["clip"]
    assert (target / "frame").exists()
    with pytest.raises(ZeroDivisionError), unfinished(tmp_path / "other") as path:
        path.write_text("half")
        1 / 0  # noqa: B018
    assert [child.name for child in tmp_path.iterdir()] == ["new"]


def test_another_process_at_it_is_said_and_left_alone_and_what_it_leaves_is_not(tmp_path):
    target = tmp_path / "clip"
    other = subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout is not None and other.stdout.readline() == "begun\n"
        half = folder_of(target) / "clip" / "half"
        with (
            pytest.raises(MilaError, match="clip is being made by another process now; wait for"),
            unfinished(target),
        ):
            pass
        discard(target)
        assert half.exists()
    finally:
        other.kill()
        other.communicate()
    assert half.exists()
    with unfinished(target) as path:
        assert not path.exists()
    folder_of(target).mkdir()
    discard(target)
    discard(target)
    assert list(tmp_path.iterdir()) == []
