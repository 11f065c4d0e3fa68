# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila simulate`` makes clips, says how many, and refuses what cannot be in one sentence."""

import argparse

import pytest

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.simulation import command


def simulate(*words):
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def test_clips_are_made_once(tmp_path, capsys):
    words = ("--world", "rooms", "--seed", 950_003, "--frames", 2, "--size", "64x32", "--fps", 5,
             "--out", tmp_path)  # fmt: skip
    assert simulate(*words) == 0
    said = capsys.readouterr().out
    assert "1 clips of the test split made" in said and "frames/s" in said
    clip = ClipFolder.open(tmp_path / "950003")
    assert (len(clip), clip.fps, clip.width) == (2, 5.0, 64)
    assert simulate(*words) == 0
    assert "0 clips of the test split made, 1 were there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--world", "rooms", "--classes", "camvid11"), "--classes can be nyu13"),
        (("--seed", 899_999, "--clips", 2), "from the train split into the validation split"),
        (("--seed", 1_000_000), "seeds are from 0 to 999999"),
        (("--format", "bag", "--extras", "flow"), "leave out --format bag"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, words, sentence):
    with pytest.raises(MilaError, match=sentence):
        simulate("--world", "street", "--out", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", [("--frames", 0), ("--fps", "0"), ("--fps", "nan"), ("--size", "12"), ("--seed", "-1")]
)
def test_a_wrong_number_is_a_usage_error(tmp_path, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        simulate("--world", "street", "--out", tmp_path, *words)
    assert stopped.value.code == 2
    assert "is not a" in capsys.readouterr().err or "expected" in capsys.readouterr().err
