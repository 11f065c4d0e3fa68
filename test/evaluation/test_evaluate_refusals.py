# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``mila evaluate`` cannot measure: one sentence, before anything takes long."""

from __future__ import annotations

import json

import cv2
import pytest
from evaluation_bench import evaluate, make_clip
from helpers import make_tiny_bundle

from mila_ros.errors import MilaError


def write_label(clip, index, value):
    path = clip.path / "label" / f"{index:06d}.png"
    ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    ids[0, 0] = value
    cv2.imwrite(str(path), ids)


def test_a_class_id_without_a_name(bundle, tmp_path):
    clip = make_clip(tmp_path / "clip", frames=2)
    write_label(clip, 1, 77)
    with pytest.raises(MilaError, match=r"label/000001.png holds class id 77, but .* 5 classes"):
        evaluate("--model", bundle, "--clips", clip.path, "--offsets", "stream")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "there is nothing to evaluate on; give bags, --clips, --sim"),
        (("--simulated", "street"), "--simulated needs seeds"),
        (("--simulated", "rooms", "--seeds", "899999-900000"), "from the train split into"),
        (("--clips", "{clips}", "--json", "{clips}/no/r.json"), "no folder .*; make it"),
        (("--clips", "{clips}", "--json", "{clips}/a"), "a is a folder; give --json a file in it"),
        (("--clips", "{clips}", "--keyframe-every", 5), r"b has 4 frames, of which none has 4 bef"),
        (("--clips", "{clips}", "--classes", "cityscapes7"), "model tiny .*turned into citysc"),
        (("--clips", "{clips}/none"), "there is no folder .*none"),
        (("--clips", "{clips}/a/image"), "image is no clip folder and has none in it"),
        (("{clips}/a",), "a is no bag and has none in it; clip folders go after --clips"),
        (("{clips}/none",), "there is no bag .*none"),
        (("--clips", "{clips}", "--model", "nothing"), "there is no model 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_sentence(bundle, clips, words, sentence):
    words = [str(word).format(clips=clips) for word in words]
    model = () if "--model" in words else ("--model", bundle)
    with pytest.raises(MilaError, match=sentence):
        evaluate(*model, *words)


def rendered(*_):
    pytest.fail("clips were rendered")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "the simulated world street is labelled with road, .* the model class_0, class_1"),
        (("--classes", "nyu13"), "simulated world street is labelled with"),
        (("--clips", "{clips}/none"), "there is no folder .*none"),
        (("{clips}/none",), "there is no bag .*none"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_rendered(
    bundle, clips, monkeypatch, words, sentence
):
    monkeypatch.setattr("mila_ros.simulation.dataset.write_clips", rendered)
    words = [str(word).format(clips=clips) for word in words]
    with pytest.raises(MilaError, match=sentence):
        evaluate("--model", bundle, "--simulated", "street", "--seeds", 950000, *words)


def test_simulated_clips_too_short_are_said_before_they_are_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr("mila_ros.simulation.dataset.write_clips", rendered)
    model = make_tiny_bundle(tmp_path / "model", ["depth", "motion"])
    words = ("--model", model, "--simulated", "rooms", "--seeds", 950000, "--frames", 3)
    with pytest.raises(MilaError, match="world rooms has 3 frames, of which none has 4 before it"):
        evaluate(*words, "--keyframe-every", 5)


def test_what_was_measured_is_printed_before_it_is_written(
    bundle, clips, tmp_path, capsys, monkeypatch
):
    words = ("--model", bundle, "--clips", clips / "a")
    with pytest.raises(MilaError, match="/dev/full cannot be written: No space left on device"):
        evaluate(*words, "--json", "/dev/full")
    assert "age 2" in capsys.readouterr().out
    pytest.importorskip("matplotlib", reason="matplotlib draws the plots; pip install matplotlib")

    def full(folder, *rest):
        raise MilaError(f"{folder} cannot be written")

    monkeypatch.setattr("mila_ros.evaluation.report.write_report", full)
    with pytest.raises(MilaError, match="report cannot be written"):
        evaluate(*words, "--json", tmp_path / "r", "--report", tmp_path / "report")
    assert "age 2" in capsys.readouterr().out
    assert json.loads((tmp_path / "r").read_text())["model"]["name"] == "tiny"


def test_other_names_are_refused(bundle, tmp_path):
    make_clip(tmp_path / "clip", frames=4, classes=("cat", "dog"))
    with pytest.raises(MilaError, match="clip is labelled with cat, dog, the model class_0, class"):
        evaluate("--model", bundle, "--clips", tmp_path / "clip")


@pytest.mark.parametrize(
    "words",
    [
        ("--seeds", "5-4"),
        ("--keyframe-every", "0"),
        ("--max-depth", "-1"),
        ("--fps", "x"),
        *(("--tolerance", text) for text in ("nan", "inf", "-0.1", "1e10", "x")),
    ],
)
def test_a_wrong_number_is_a_usage_error(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        evaluate("drive.mcap", *words)
    assert stopped.value.code == 2
    assert f"argument {words[0]}: '{words[1]}' is not a" in capsys.readouterr().err
