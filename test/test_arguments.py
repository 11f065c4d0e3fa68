# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the options of the commands take, and what argparse then prints."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from mila_ros import arguments, cli

KINDS: dict[str, Callable[[str], Any]] = {
    name: getattr(arguments, name)
    for name in ("whole", "count", "positive", "frame_rate", "seconds", "size", "network_size")
}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("whole", "0", 0),
        ("whole", "007", 7),
        ("count", "1", 1),
        ("count", "010", 10),
        ("positive", "0.5", 0.5),
        ("positive", "1e300", 1e300),
        ("frame_rate", "29.97", 29.97),
        ("frame_rate", "1000", 1000.0),
        ("seconds", "0", 0.0),
        ("seconds", "0.02", 0.02),
        ("size", "640x480", (640, 480)),
        ("size", "16x4096", (16, 4096)),
        ("size", "333x111", (333, 111)),
        ("network_size", "512x256", (512, 256)),
    ],
)
def test_what_is_taken(kind: str, text: str, value: object) -> None:
    assert KINDS[kind](text) == value


NO_SIZE = "is not a size from 16x16 to 4096x4096, width first, such as 512x256"


@pytest.mark.parametrize(
    ("kind", "texts", "said"),
    [
        ("whole", ("-1", "1.0", "", "two", "\u0663", " 1", "9" * 19),
         "is not a whole number from 0"),
        ("count", ("0", "000", "-1", "1e3", "9" * 5000), "is not a whole number from 1"),
        ("positive", ("0", "-2", "nan", "inf", "fast"), "is not a number over 0"),
        ("frame_rate", ("0", "1000.5", "nan", "x"),
         "is not a number of frames a second (0 to 1000)"),
        ("seconds", ("-1", "nan", "inf", "1e10", "x"),
         "is not a number of seconds (0 to 1000000000)"),
        ("size", ("12", "15x16", "16x4097", "64x", "64X64", "-64x64", "64x64x3"), NO_SIZE),
        ("network_size", ("256", "0x8"), NO_SIZE),
        ("network_size", ("512x250", "100x256"),
         "is not a size in multiples of 8, such as 512x256"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(
    kind: str, texts: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser(prog="mila")
    parser.add_argument("--option", type=KINDS[kind])
    for text in texts:
        with pytest.raises(SystemExit) as end:
            parser.parse_args([f"--option={text}"])
        last = capsys.readouterr().err.splitlines()[-1]
        assert end.value.code == 2
        assert last == f"mila: error: argument --option: {text!r} {said}"


def options(command: cli.Command) -> list[argparse.Action]:
    """A command's options, those of its verbs too."""
    parser = argparse.ArgumentParser()
    importlib.import_module(command.module).configure(parser)
    found = list(parser._actions)
    for action in found:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for verb in action.choices.values() for inner in verb._actions]
    return found


MEANS = {
    "--size": {arguments.size, arguments.network_size},
    "--fps": {arguments.frame_rate},
    "--frames": {arguments.count},
    "--jobs": {arguments.count},
    "--threads": {arguments.count, arguments.whole},
}


def test_a_name_means_the_same_in_every_command() -> None:
    seen: dict[str, int] = {}
    for command in cli.COMMANDS:
        for option in options(command):
            for name in MEANS.keys() & set(option.option_strings):
                assert option.type in MEANS[name], f"{command.name} {name}"
                assert name != "--size" or option.metavar == "WxH", command.name
                seen[name] = seen.get(name, 0) + 1
    assert min(seen[name] for name in MEANS) >= 2
