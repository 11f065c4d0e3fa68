# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""pip and colcon install the same package, each with the commands where its user looks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("config", "launch", "models", "samples")
COMMANDS = {"mila", "perception", "camera", "recorder", "player", "evaluator"}


def shared_files() -> set[str]:
    """What has to be installed below share/mila_ros."""
    files = {f"{folder}/{name}" for folder in SHARED for name in files_below(ROOT / folder)}
    return {"package.xml"} | files


def files_below(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree, which builds leave their traces in."""
    copy = tmp_path_factory.mktemp("source") / "mila_ros"
    copy.mkdir()
    for name in ("mila_ros", "resource", *SHARED):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name)
    for name in ("package.xml", "setup.py", "setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    return copy


def run(*command: str, cwd: Path) -> None:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--wheel-dir", str(folder), "."),
        cwd=source,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_everything(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = "mila_ros-0.1.0.data/data/share"
    assert f"{data}/ament_index/resource_index/packages/mila_ros" in names
    assert {name for name in names if name.startswith(f"{data}/mila_ros/")} == {
        f"{data}/mila_ros/{name}" for name in shared_files()
    }
    code = {f"mila_ros/{name}" for name in files_below(ROOT / "mila_ros")}
    assert {name for name in names if name.startswith("mila_ros/")} == code


def test_pip_puts_the_commands_on_the_path(wheel: Path, tmp_path: Path) -> None:
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
        "--ignore-installed",  # or pip takes an installed mila_ros for it, or even away
        *("--prefix", str(tmp_path), str(wheel)),
        cwd=tmp_path,
    )
    assert {path.name for path in (tmp_path / "bin").iterdir()} == COMMANDS
    assert files_below(tmp_path / "share" / "mila_ros") == shared_files()


def test_colcon_puts_the_commands_where_ros2_run_looks(source: Path, tmp_path: Path) -> None:
    # What colcon-core runs for a package with a setup.py.
    run(
        *(sys.executable, "-W", "ignore", "setup.py", "--quiet"),
        *("build", "--build-base", str(tmp_path / "build")),
        *("install", "--prefix", str(tmp_path / "install"), "--record", str(tmp_path / "log")),
        *("--single-version-externally-managed",),
        cwd=source,
    )
    commands = tmp_path / "install" / "lib" / "mila_ros"
    assert {path.name for path in commands.iterdir()} == COMMANDS
    assert all(os.access(path, os.X_OK) for path in commands.iterdir())
    assert files_below(tmp_path / "install" / "share" / "mila_ros") == shared_files()


def test_setup_runs_through_a_link(source: Path, tmp_path: Path) -> None:
    # As `colcon build --symlink-install` does, with none of the files beside it that it reads.
    link = tmp_path / "setup.py"
    link.symlink_to(source / "setup.py")
    run(sys.executable, "-W", "ignore", "setup.py", "--version", cwd=tmp_path)
