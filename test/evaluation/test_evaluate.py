# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila evaluate`` on clips: its figures against NumPy's, and each frame at each age once."""

from __future__ import annotations

import argparse
import json
from collections import Counter

import cv2
import numpy as np
import pytest
from evaluation_bench import CLASSES, FOCAL_PX, evaluate, make_clip
from network_bundles import write_network_bundle

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.evaluation import command
from mila_ros.evaluation.class_lists import ClassList
from mila_ros.evaluation.clips import evaluate_clips
from mila_ros.evaluation.plan import Plan
from mila_ros.evaluation.play import Player
from mila_ros.evaluation.scores import Scheme
from mila_ros.evaluation.sources import ClipSource
from mila_ros.streaming import EveryN, Perception, load_bundle


def seen_at_every_age(bundle, clips, interval, lead):
    """Truth and answer of each frame by age: cameras in step, whose keyframes EveryN staggers."""
    found = []
    for folder in sorted(clips.iterdir()):
        clip = ClipFolder.open(folder)
        perception = Perception.load(bundle, keyframes=EveryN(interval), max_cameras=interval)
        for index in range(len(clip)):
            for camera in range(interval):
                frame = perception.step(
                    clip.image(index),
                    stamp_ns=(index + 1) * 10**8,
                    camera=str(camera),
                    focal_px=FOCAL_PX,
                )
                if index >= lead:
                    found.append((clip, index, frame))
    return found


def by_numpy(found):
    """The figures of some frames in float64, over all their pixels at once."""
    said = np.stack([frame.segmentation for _, _, frame in found])
    true = np.stack([clip.label(index) for clip, index, _ in found])
    ious = []
    for number in range(len(CLASSES)):
        union = ((said == number) & (true != 255)) | (true == number)
        ious.append(np.mean((said == number)[union] & (true == number)[union]))
    p = np.stack([frame.depth for _, _, frame in found]).astype(np.float64)
    t = np.stack([clip.depth(index) for clip, index, _ in found]).astype(np.float64)
    known = np.isfinite(p) & (t <= 50)
    moving = np.stack([frame.motion for _, _, frame in found]) == 255
    moves = np.stack([clip.motion(index) for clip, index, _ in found])
    return {
        "frames": len(found),
        "segmentation/miou": np.mean(ious),
        "segmentation/pixel_accuracy": np.mean((said == true)[true != 255]),
        "depth/rel_error": np.mean(abs(p - t)[known] / t[known]),
        "depth/rmse": np.sqrt(np.mean((p - t)[known] ** 2)),
        "depth/coverage": known.sum() / np.count_nonzero(t <= 50),
        "motion/precision": np.mean(moves[moving & (moves != 127)] == 255),
        "motion/recall": np.mean(moving[moves == 255]),
        "motion/false_share": np.mean(moving[moves == 0]),
    }


def test_figures_are_those_of_numpy_at_every_age(bundle, clips, tmp_path):
    result = evaluate(
        "--model", bundle, "--clips", clips, "--keyframe-every", 1, 3, "--json", tmp_path / "r"
    )
    for interval in (1, 3):
        found = seen_at_every_age(bundle, clips, interval, lead=2)
        results = result["results"][f"keyframe_every_{interval}"]
        assert set(results["by_keyframe_age"]) == {str(age) for age in range(interval)}
        groups = {"all": (found, results["all"])} | {
            age: ([f for f in found if f[2].keyframe_age == int(age)], figures)
            for age, figures in results["by_keyframe_age"].items()
        }
        for name, (frames, figures) in groups.items():
            for key, value in by_numpy(frames).items():
                assert figures[key] == pytest.approx(value, rel=1e-6), (interval, name, key)
    # 3 + 2 frames have two before them; each is seen once at each age.
    every_3 = result["results"]["keyframe_every_3"]
    assert every_3["all"]["frames"] == 15
    assert [row["frames"] for row in every_3["by_keyframe_age"].values()] == [5, 5, 5]
    assert result["settings"]["max_depth_m"] == 50


def test_another_engine_is_measured_as_it_answers(bundle, clips, tmp_path):
    pytest.importorskip("openvino", reason="an engine needs it; pip install openvino")
    words = "--model", bundle, "--clips", clips, "--offsets", "stream", "--json", tmp_path / "r"
    eager, other = (evaluate(*words, "--engine", engine) for engine in ("eager", "openvino"))
    assert [result["settings"]["engine"] for result in (eager, other)] == ["eager", "openvino"]
    ours, theirs = (next(iter(result["results"].values()))["all"] for result in (eager, other))
    for key in ("frames", "segmentation/miou", "depth/rel_error", "motion/iou"):
        assert theirs[key] == pytest.approx(ours[key], rel=0.02)
    assert theirs["depth/rel_error"] != ours["depth/rel_error"]  # rounding: it was not eager again


def test_all_offsets_cover_each_frame_and_age_once(bundle, clips):
    loaded, network = load_bundle(bundle)
    classes = tuple(label.name for label in loaded.labels)
    plan = Plan(Scheme(classes, ClassList.of(classes)), (2, 4))
    player = Player(loaded, network, plan)
    for folder, frames in (("a", 5), ("b", 4), ("a", 5)):  # streams begin anew in each
        played = player.play(ClipSource(ClipFolder.open(clips / folder)))
        for interval in (2, 4):
            seen = Counter((scored.index, scored.age) for scored in played.frames[interval])
            expected = {(index, age) for index in range(3, frames) for age in range(interval)}
            assert set(seen) == expected and set(seen.values()) == {1}


def test_a_lag_shifts_the_ages(bundle, clips):
    """With the slow network one frame late, frames are 1 to K from the keyframe in use."""
    loaded, network = load_bundle(bundle)
    classes = tuple(label.name for label in loaded.labels)
    plan = Plan(Scheme(classes, ClassList.of(classes)), (3,), keyframe_lag=1)
    player = Player(loaded, network, plan)
    played = player.play(ClipSource(ClipFolder.open(clips / "a")))
    seen = Counter((scored.index, scored.age) for scored in played.frames[3])
    assert seen == {(index, age): 1 for index in (3, 4) for age in (1, 2, 3)}


@pytest.mark.parametrize(("interval", "frames"), [(3, 3 + 2), (5, 5 + 4)])
def test_a_network_of_keyframes_only_is_measured_on_the_same_frames(
    clips, tmp_path, interval, frames
):
    """Where a clip is too short for that, on all: 4 frames have none with 4 before it."""
    model = write_network_bundle(tmp_path / "model", "multi_task", ["depth", "motion"])
    words = ("--model", model, "--clips", clips, "--keyframe-every", interval)
    result = evaluate(*words, "--json", tmp_path / "out.json")["results"]
    assert list(result) == ["keyframe_every_1"]
    assert result["keyframe_every_1"]["all"]["frames"] == frames


def test_one_pass_has_its_keyframes_where_the_camera_would(bundle, clips, tmp_path):
    result = evaluate(
        "--model", bundle, "--clips", clips, "--keyframe-every", 3, "--offsets", "stream",
        "--json", tmp_path / "r",
    )  # fmt: skip
    perception = Perception.load(bundle, keyframes=EveryN(3))
    expected = evaluate_clips(perception, [ClipFolder.open(clips / name) for name in "ab"])
    results = result["results"]["keyframe_every_3"]
    known = {key: value for key, value in expected["all"].items() if not np.isnan(value)}
    assert {k: v for k, v in results["all"].items() if v is not None} == pytest.approx(known)
    assert results["by_class"] == pytest.approx(expected["class_iou"])
    ages = {age: figures["frames"] for age, figures in results["by_keyframe_age"].items()}
    assert ages == {"0": 4, "1": 3, "2": 2}


def test_processes_change_nothing(bundle, clips, tmp_path):
    words = ("--model", bundle, "--clips", clips, "--keyframe-every", 2)
    one = evaluate(*words, "--json", tmp_path / "one")
    assert evaluate(*words, "--jobs", 2, "--json", tmp_path / "two") == one


def test_stills_have_no_age(bundle, tmp_path):
    clip = make_clip(tmp_path / "stills", frames=3, fps=1.0)
    result = evaluate(
        "--model", bundle, "--clips", clip.path, "--keyframe-every", 5, "--json", tmp_path / "r"
    )
    results = result["results"]["keyframe_every_5"]
    assert list(results["by_keyframe_age"]) == ["0"] and results["all"]["frames"] == 3
    perception = Perception.load(bundle)
    hits = total = 0
    for index in range(3):
        answer = perception.step(
            clip.image(index), stamp_ns=1, camera=str(index), focal_px=FOCAL_PX
        ).segmentation
        true = clip.label(index)
        hits += np.count_nonzero((answer == true)[true != 255])
        total += np.count_nonzero(true != 255)
    assert results["all"]["segmentation/pixel_accuracy"] == pytest.approx(hits / total)


def test_labels_of_other_ids_are_mapped_by_name(bundle, tmp_path):
    clip = make_clip(tmp_path / "own", frames=2)
    other = make_clip(tmp_path / "other", frames=2, classes=CLASSES[::-1])
    for index in range(2):  # the same classes under other ids
        own = clip.path / "label" / f"{index:06d}.png"
        swapped = other.path / "label" / f"{index:06d}.png"
        ids = cv2.imread(str(own), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(swapped), np.where(ids == 255, 255, len(CLASSES) - 1 - ids))
    figures = []
    for path in (clip.path, other.path):
        words = ("--model", bundle, "--clips", path, "--offsets", "stream")
        result = evaluate(*words, "--json", tmp_path / "r")["results"]["keyframe_every_3"]
        figures.append({k: v for k, v in result["all"].items() if k.startswith("segmentation")})
    assert figures[0] == figures[1]


def test_a_static_scene_has_false_motion_and_nothing_else(bundle, tmp_path):
    make_clip(tmp_path / "room", frames=2, maps=())
    words = ("--model", bundle, "--clips", tmp_path / "room", "--offsets", "stream")
    with pytest.raises(MilaError, match="nothing here is labelled with what the model tiny"):
        evaluate(*words)
    result = evaluate(*words, "--static-scene", "--json", tmp_path / "r")
    figures = result["results"]["keyframe_every_3"]["all"]
    perception = Perception.load(bundle)
    clip = ClipFolder.open(tmp_path / "room")
    answers = [
        perception.step(clip.image(i), stamp_ns=(i + 1) * 10**8, focal_px=FOCAL_PX).motion
        for i in range(2)
    ]
    assert figures["motion/false_share"] == pytest.approx(np.mean(np.stack(answers) == 255))
    assert figures["motion/recall"] is None and figures["segmentation/miou"] is None


def test_what_is_said_on_the_terminal(bundle, clips, capsys):
    evaluate("--model", bundle, "--clips", clips)
    said = capsys.readouterr().out
    assert "tiny on 2 clips or bags" in said and "within 50 m" in said
    assert "the first 2 frames of each video lead up and do not count" in said
    assert "age 2" in said and "class_4" in said


def test_json_on_standard_output(bundle, clips, capsys):
    parser = argparse.ArgumentParser()
    command.configure(parser)
    words = ["--model", str(bundle), "--clips", str(clips / "a"), "--json", "-"]
    assert command.run(parser.parse_args(words)) == 0
    assert json.loads(capsys.readouterr().out)["model"]["name"] == "tiny"
