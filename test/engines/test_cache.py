# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Artefacts are kept whole or not at all, and made again when they are of no use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mila_ros.engines import cache as module
from mila_ros.engines.cache import cache_directory, obtain


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mila_ros" / "engines"


class Maker:
    """Counts how often it writes; the content says which time it was."""

    def __init__(self, size: int = 0) -> None:
        self.times = 0
        self._size = size

    def write(self, path: Path) -> None:
        self.times += 1
        (path / "a.bin").write_bytes(b"%d" % self.times + b" " * self._size)

    def read(self, path: Path) -> int:
        return int((path / "a.bin").read_bytes())

    def obtain(self, key: str = "key") -> int:
        return obtain(key, self.write, self.read)


def test_the_second_time_nothing_is_written(folder: Path) -> None:
    maker = Maker()
    assert [maker.obtain(), maker.obtain(), maker.obtain("other")] == [1, 1, 2]
    assert sorted(path.name for path in folder.iterdir()) == ["key", "other"]


def test_a_flipped_bit_is_found_said_and_mended(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    maker = Maker()
    maker.obtain()
    (folder / "key" / "a.bin").write_bytes(b"3")
    assert maker.obtain() == 2
    assert "cannot be used and is built again: a.bin is damaged" in caplog.text
    caplog.clear()
    assert maker.obtain() == 2 and caplog.text == ""


def test_what_cannot_be_read_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    maker = Maker()
    maker.obtain()

    def read(path: Path) -> int:
        if maker.times == 1:
            raise RuntimeError("of another version\nand more")
        return maker.read(path)

    assert obtain("key", maker.write, read) == 2
    assert caplog.messages[0].endswith("built again: of another version")


def test_a_build_that_fails_leaves_nothing(folder: Path) -> None:
    def write(path: Path) -> None:
        (path / "half").write_bytes(b"x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        obtain("key", write, lambda path: None)
    assert list(folder.iterdir()) == []


def test_a_faster_process_wins(folder: Path) -> None:
    maker = Maker()

    def write(path: Path) -> None:
        maker.obtain()  # somebody else, in the meantime
        maker.write(path)

    assert obtain("key", write, maker.read) == 2  # one's own is as good
    assert maker.obtain() == 1 and [p.name for p in folder.iterdir()] == ["key"]


def test_where_nothing_can_be_kept_it_is_made_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    maker = Maker()
    assert [maker.obtain(), maker.obtain()] == [1, 2]
    assert "compiled artefacts are not kept" in caplog.text


def test_those_not_used_the_longest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 2500)
    maker = Maker(size=700)
    maker.obtain("a")
    maker.obtain("b")
    for age, key in enumerate("ba"):
        os.utime(folder / key, (1000 + age, 1000 + age))
    maker.obtain("a")  # used again: b is the oldest now
    maker.obtain("c")
    maker.obtain("d")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d"]


def test_the_directory_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for relative in ("", "relative/path"):  # the XDG specification ignores relative ones
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache_directory() == tmp_path / ".cache" / "mila_ros" / "engines"
