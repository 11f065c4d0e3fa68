# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clips on disk hold the truth, and an interrupted run is taken up where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from crashing_recipe import Crashing

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.processes import WorkerLost
from mila_ros.simulation import dataset
from mila_ros.simulation.dataset import Recipe, clip_path, is_complete, write_clip, write_clips
from mila_ros.simulation.simulator import Simulator
from mila_ros.simulation.taxonomy import CAMVID11, CITYSCAPES19, lookup_table

RECIPE = Recipe("street", 3, 10.0, 96, 48, "camvid11", extras=("flow", "normals"))
ROOMS = Recipe("rooms", 12, 10.0, 64, 32, "nyu13")

KILLED = """
import sys
from pathlib import Path
from mila_ros.simulation.dataset import write_clip
from test_dataset_recipe import ROOMS
write_clip(ROOMS, 5, Path(sys.argv[1]))
"""


def content(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(RECIPE, 7, tmp_path_factory.mktemp("clips"))


def test_a_clip_folder_holds_what_was_simulated(clip):
    folder = ClipFolder.open(clip)
    assert (len(folder), folder.width, folder.height, folder.fps) == (3, 96, 48, 10.0)
    assert folder.classes == CAMVID11.classes
    with Simulator("street", 7, width=96, height=48, fps=10.0) as simulator:
        frame = simulator.frame(1)
        np.testing.assert_allclose(folder.poses[1], frame.pose.camera)
        np.testing.assert_allclose(folder.intrinsics, simulator.opencv_intrinsics)
    assert np.abs(folder.image(1).astype(int) - frame.image).mean() < 4
    table = lookup_table(CITYSCAPES19, CAMVID11)
    np.testing.assert_array_equal(folder.label(1), table[frame.labels.label])
    np.testing.assert_array_equal(folder.motion(1) == 255, frame.labels.motion)
    depth, known = folder.depth(1), frame.labels.depth < 255
    assert np.isnan(depth[~known]).all()
    assert np.abs(depth - frame.labels.depth)[known].max() <= 0.5 / 256 + 1e-4


def test_extras_can_be_decoded(clip):
    with Simulator("street", 7, width=96, height=48, fps=10.0) as simulator:
        frame = simulator.frame(1)
        flow = frame.flow(simulator.pose(2))
    stored = cv2.imread(str(clip / "flow" / "000001.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    known = stored[..., 2] == 1
    decoded = (stored[..., :2].astype(float) - 2**15) / 64
    assert known.mean() > 0.9
    assert np.abs(decoded - flow)[known].max() <= 0.5 / 64 + 1e-4
    stored = cv2.imread(str(clip / "normals" / "000001.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    known = stored.any(-1)
    decoded = (stored.astype(float) - 1) / 65534 * 2 - 1
    np.testing.assert_array_equal(known, np.isfinite(frame.normals()).all(-1))
    assert np.abs(decoded - frame.normals())[known].max() < 1e-4


def test_what_is_there_is_kept_and_other_settings_are_refused(clip):
    before = (clip / "camera.json").stat().st_mtime_ns
    assert list(write_clips(RECIPE, [7], clip.parent, jobs=1)) == []
    assert (clip / "camera.json").stat().st_mtime_ns == before
    other = Recipe("street", 4, 10.0, 96, 48, "camvid11")
    with pytest.raises(MilaError, match="was made with other settings; choose another folder"):
        is_complete(clip.parent, 7, other)


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    clip_path(tmp_path, 5).mkdir()
    with pytest.raises(MilaError, match="000005 exists"):
        next(write_clips(ROOMS, [5], tmp_path, jobs=1))
    assert content(tmp_path) == {}


def test_a_clip_killed_half_way_is_made_anew(tmp_path):
    (tmp_path / "test_dataset_recipe.py").write_text(
        f"from mila_ros.simulation.dataset import Recipe\nROOMS = {ROOMS!r}\n"
    )
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(broken)], env=os.environ | {"PYTHONPATH": paths}
    )
    end = time.monotonic() + 60
    while len(list(broken.glob(".000005.partial/000005/image/*.jpg"))) < 3:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not clip_path(broken, 5).exists()
    assert not list(broken.rglob("camera.json"))

    assert list(write_clips(ROOMS, [5], broken, jobs=1)) == [5]
    write_clip(ROOMS, 5, whole)
    assert content(broken) == content(whole)


def test_several_processes_make_the_same_clips(tmp_path):
    seeds = [5, 6]
    recipe = Recipe("rooms", 2, 10.0, 64, 32, "nyu13")
    assert sorted(write_clips(recipe, seeds, tmp_path / "two", jobs=2)) == seeds
    for seed in seeds[:1]:
        write_clip(recipe, seed, tmp_path / "one")
        assert content(clip_path(tmp_path / "one", seed)) == content(
            clip_path(tmp_path / "two", seed)
        )


@pytest.mark.parametrize("often", [False, True])
def test_a_process_that_crashes_now_and_then_is_replaced(tmp_path, monkeypatch, often):
    if not often:
        monkeypatch.setattr(dataset, "_CLIPS_A_CRASH", 1)
    clips = write_clips(
        Crashing("rooms", 1, 10.0, 64, 32, "nyu13", folder=str(tmp_path)), [5, 6], tmp_path, jobs=2
    )
    assert next(clips) == 5
    if often:
        with pytest.raises(WorkerLost, match="killed or crashed"):
            next(clips)
    else:
        assert list(clips) == [6]
    assert clip_path(tmp_path, 6).exists() is not often
    assert not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MilaError, match="000005 cannot be written"):
        write_clip(ROOMS, 5, tmp_path / "file")


def test_the_recipe_is_kept_with_the_clip(clip):
    kept = json.loads((clip / "simulation.json").read_text())
    assert (kept["seed"], kept["world"], kept["extras"]) == (7, "street", ["flow", "normals"])
