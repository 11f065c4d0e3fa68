# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: exit statuses, one-line errors, and what the models command prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import make_tiny_bundle

from mila_ros import __version__, cli


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installation prefix with one model."""
    prefix = tmp_path_factory.mktemp("prefix")
    make_tiny_bundle(prefix / "share/mila_ros/models/tiny")
    return prefix


@pytest.fixture
def model(prefix, monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    return prefix / "share/mila_ros/models/tiny"


def run(*arguments):
    """The exit status of ``mila ARGUMENTS`` in this process."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return exit_.code


def fails(capsys, *arguments, status=1):
    """The one line that a failing command prints."""
    assert run(*arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    if status == 1:
        assert len(lines) == 1, captured.err
    return lines[-1]


@pytest.mark.parametrize(("set_before", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(set_before, found, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", set_before or "")
    if set_before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert run("--version") == 0
    assert os.environ["OMP_WAIT_POLICY"] == found


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mila_ros import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(sorted({'torch', 'rclpy', 'cv2', 'numpy', 'rosbags'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
    listed = " ".join(result.stdout.split())  # long lines are wrapped
    for command in cli.COMMANDS:
        assert f" {command.name} {command.help}" in listed


@pytest.mark.parametrize(
    "words", [[command.name] for command in cli.COMMANDS] + [["models", "verify"]]
)
def test_every_command_has_help_with_an_example(words, capsys):
    assert run(*words, "--help") == 0
    out = capsys.readouterr().out
    assert "example" in out and f"mila {' '.join(words)}" in out.split("example")[1]


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"mila_ros {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [[], ["fly"], ["models"], ["models", "fly"], ["models", "show"], ["demo", "--seconds", "0"],
     ["demo", "--rate", "fast"], ["demo", "--colour", "red"]],
)  # fmt: skip
def test_a_wrong_command_line_is_status_2(words, capsys):
    assert "mila" in fails(capsys, *words, status=2)


def test_list_names_the_installed_models(model, capsys):
    assert run("models", "list") == 0
    assert capsys.readouterr().out.split() == [
        "tiny", "segmentation,", "depth,", "motion", "128x64",
    ]  # fmt: skip
    assert run("models", "list", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry == {
        "name": "tiny",
        "path": str(model),
        "tasks": ["segmentation", "depth", "motion"],
        "input": "128x64",
    }


def test_list_shows_a_broken_model_with_its_problem(prefix, model, capsys):
    broken = prefix / "share/mila_ros/models/broken"
    broken.mkdir()
    (broken / "model.json").write_text("{}")
    try:
        assert run("models", "list") == 0
        lines = capsys.readouterr().out.splitlines()
    finally:
        (broken / "model.json").unlink()
        broken.rmdir()
    assert [line.split()[0] for line in lines] == ["broken", "tiny"]
    assert "model.json" in lines[0]


def test_show_prints_the_description(model, capsys):
    assert run("models", "show", "tiny") == 0
    out = capsys.readouterr().out
    assert f"tiny  ({model})" in out
    assert "tasks      segmentation (5), depth (1), motion (2)" in out
    assert "depth      metric, 0.5 to 100 m" in out
    assert "keyframes  every 3 frames" in out
    assert run("models", "show", "tiny", "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((model / "model.json").read_text())


def test_show_of_the_default_model_fits_a_screen(capsys):
    assert run("models", "show", "mila_street") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 50 and max(map(len, lines)) <= 100
    accuracy = json.loads(
        (Path(__file__).parents[1] / "models/mila_street/model.json").read_text()
    )["accuracy"]
    figures = accuracy["keyframe_every_5"]
    (row,) = [line for line in lines if line.strip().startswith("keyframe_every_5:")]
    assert f"mIoU {figures['segmentation/miou']:.3f}, " in row
    assert f"depth rel. error {figures['depth/rel_error']:.3f}, " in row
    assert lines[-1].endswith("--json")


def test_verify_accepts_a_whole_bundle_by_name_and_by_path(model, capsys):
    sha256 = json.loads((model / "model.json").read_text())["weights"]["sha256"]
    assert run("models", "verify", "tiny") == 0
    assert f"is whole: tiny, weights sha256 {sha256}" in capsys.readouterr().out
    assert run("models", "verify", model, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {"name": "tiny", "path": str(model), "sha256": sha256, "is_valid": True}


def test_verify_refuses_one_flipped_bit(tmp_path, capsys):
    directory = make_tiny_bundle(tmp_path / "tiny")
    weights = directory / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert "weights.safetensors" in fails(capsys, "models", "verify", directory)


@pytest.mark.parametrize("action", ["show", "verify"])
def test_an_unknown_model_is_named_with_those_there_are(action, model, capsys):
    line = fails(capsys, "models", action, "nothing")
    assert line.startswith("mila models: there is no model 'nothing'") and "tiny" in line


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mila_ros.demo.command", None)
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: __import__("no_such_package"))
    line = fails(capsys, "demo")
    assert line == "mila demo: no_such_package is not installed; run: pip install no_such_package"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_error(model, unbuffered):
    code = "from mila_ros import cli; raise SystemExit(cli.main(['models', 'show', 'tiny']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 0
