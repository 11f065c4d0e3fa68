# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C++ operator is compiled once, when asked for, and missed by nobody where it cannot be."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from local_attention_bench import expected, random_maps

from mila_ros.networks.local_attention import (
    backends,
    cpp,
    inter_frame_local_attention,
    local_attention_backend,
    local_attention_in_use,
    prepare_local_attention,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """The C++ backend as a process finds it that starts with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, value in (("_loaded", False), ("_looked", False), ("_reason", None)):
        monkeypatch.setattr(cpp, name, value)
    monkeypatch.setattr(backends, "_selected", "auto")
    return tmp_path


@pytest.mark.parametrize(
    "compiler, words",
    [("no-such-compiler", "there is no C\\+\\+ compiler"), ("false", "false failed")],
)
def test_without_a_working_compiler_tiles_go_on(fresh, monkeypatch, caplog, compiler, words):
    monkeypatch.setenv("CXX", compiler)
    maps = random_maps(15, 1, 3, 4, 5, 6, dtype=torch.float32)
    with caplog.at_level(logging.WARNING):
        assert local_attention_in_use("cpu") == "tiles"
        assert prepare_local_attention("cpu") == "tiles"
        assert prepare_local_attention("cpu") == "tiles"
        result = inter_frame_local_attention(*maps, 3)
    assert len(caplog.messages) == 1
    with pytest.raises(ValueError, match=words):
        with local_attention_backend("cpp"):
            pass
    torch.testing.assert_close(result.double(), expected(maps, 3), atol=2e-5, rtol=0)


def test_a_cache_that_cannot_be_written_is_no_obstacle(fresh, monkeypatch, caplog):
    (fresh / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(fresh / "file"))
    assert prepare_local_attention("cpu") == "tiles"
    assert "goes on without its C++ operator" in caplog.text


def test_a_call_never_compiles_unasked(fresh, monkeypatch):
    monkeypatch.setattr(cpp, "_build", lambda library: pytest.fail("compiled"))
    maps = random_maps(16, 1, 3, 4, 5, 6, dtype=torch.float32)
    result = inter_frame_local_attention(*maps, 3)
    torch.testing.assert_close(result.double(), expected(maps, 3), atol=2e-5, rtol=0)


def test_processes_that_start_together_compile_once(tmp_path):
    """With a compiler that writes a line for each run, and takes its time."""
    compiler = tmp_path / "compiler"
    compiler.write_text(
        f"#!/bin/sh\necho run >> {tmp_path}/runs\nsleep 1\n"
        'while [ "$1" != -o ]; do shift; done\necho no library > "$2"\n'
    )
    compiler.chmod(0o755)
    code = (
        "from mila_ros.networks.local_attention import cpp; library = cpp._library(); "
        "cpp._build(library); print(library.read_text().strip())"
    )
    environment = {**os.environ, "CXX": str(compiler), "XDG_CACHE_HOME": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    assert [p.communicate()[0].strip() for p in processes] == [b"no library"] * 2
    assert (tmp_path / "runs").read_text() == "run\n"
    assert sorted(p.suffix for p in (tmp_path / "mila_ros").iterdir()) == [".lock", ".so"]
