# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results are never written over, and a folder that cannot be made is said to be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mila_ros.errors import MilaError
from mila_ros.ros.output_folder import make_output_folder


def test_a_folder_is_made_with_its_parents_and_may_hold_other_things(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_output_folder(folder, "a recording", "bag")
    (folder / "notes.txt").write_text("mine")
    make_output_folder(folder, "a recording", "bag")
    assert (folder / "notes.txt").read_text() == "mine"


def test_results_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    sentence = "holds a recording already; name another folder with --ros-args -p output:=FOLDER"
    with pytest.raises(MilaError, match=sentence):
        make_output_folder(tmp_path, "a recording", "bag", "summary.json")


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MilaError, match="file/folder cannot be made: Not a directory"):
        make_output_folder(tmp_path / "file" / "folder", "a recording", "bag")
