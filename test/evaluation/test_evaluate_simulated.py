# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila evaluate --simulated`` renders what it lacks, once, and measures it."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from evaluation_bench import evaluate
from helpers import make_tiny_bundle

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.evaluation.sources import ClipSource
from mila_ros.simulation.dataset import Recipe, write_clip

NAMES = ("road", "sidewalk", "building", "sky", "car")
WORDS = ("--simulated", "street", "--seeds", "950000-950001", "--frames", 3, "--size", "128x64")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A model that speaks five of Cityscapes' classes."""
    path = make_tiny_bundle(tmp_path_factory.mktemp("model") / "tiny")
    description = json.loads((path / "model.json").read_text())
    for label, name in zip(description["labels"], NAMES, strict=True):
        label["name"] = name
    (path / "model.json").write_text(json.dumps(description))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    try:
        write_clip(Recipe("street", 1, 10.0, 32, 16, "cityscapes19"), 0, folder / "trial")
    except MilaError as error:
        if os.environ.get("MILA_REQUIRE_RENDERING") == "1":
            raise
        pytest.skip(str(error))
    return folder


def test_clips_are_rendered_once_and_measured(bundle, cache, tmp_path):
    words = ("--model", bundle, *WORDS, "--cache", cache, "--keyframe-every", 2,
             "--classes", "cityscapes7", "camvid11", "--json", tmp_path / "r")  # fmt: skip
    result = evaluate(*words)
    (folder,) = cache.glob("street_*")
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert sorted(path.name for path in folder.iterdir()) == ["950000", "950001"]
    assert evaluate(*words) == result
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == made
    simulated = result["settings"]["simulated"]
    assert simulated["split"] == "test" and simulated["seeds"] == "950000-950001"
    figures = result["results"]["keyframe_every_2"]["all"]
    assert figures["frames"] == 8  # two of three frames of two clips at two ages
    assert list(result["settings"]["classes"]) == ["cityscapes19", "cityscapes7", "camvid11"]
    for key in (
        "segmentation/miou",
        "segmentation/cityscapes7/miou",
        "segmentation/camvid11/miou_per_image_legacy",
        "temporal/consistency",
        "depth/rel_error_aligned",
        "motion/false_share",
    ):
        assert 0 <= figures[key], key
    # What is right in the fine classes is right in the coarse ones.
    fine, coarse = (figures[f"segmentation/{name}pixel_accuracy"] for name in ("", "cityscapes7/"))
    assert coarse >= fine


def test_flow_and_normals_are_read_as_they_were_rendered(cache):
    recipe = Recipe("street", 3, 10.0, 128, 64, "cityscapes19", extras=("flow", "normals"))
    path = write_clip(recipe, 950_002, cache)
    clip = ClipFolder.open(path)
    frames = list(ClipSource(clip).frames())
    rows, columns = np.mgrid[:64, :128].astype(np.float64)
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    for number, frame in enumerate(frames[:2]):
        # What stands still moves by the camera's own motion, which depth and poses tell.
        truth = frame.truth
        points = pixels @ np.linalg.inv(clip.intrinsics).T * truth.depth[..., None]
        step = np.linalg.inv(clip.poses[number + 1]) @ clip.poses[number]
        seen = (points @ step[:3, :3].T + step[:3, 3]) @ clip.intrinsics.T
        expected = (seen / seen[..., 2:] - pixels)[..., :2]
        known = np.isfinite(truth.depth) & np.isfinite(truth.flow).all(-1) & (truth.motion == 0)
        assert known.mean() > 0.3
        assert np.abs(expected[known]).max() > 1
        # Beyond the last digit of flow there is that of depth, 1/256 m.
        assert np.quantile(np.abs(expected - truth.flow)[known], 0.99) < 0.05
    normals = frames[0].truth.normals
    known = np.isfinite(normals).all(-1)
    assert np.linalg.norm(normals[known], axis=-1) == pytest.approx(1, abs=1e-3)
    assert np.median(normals[-8:][known[-8:]][:, 1]) < -0.95  # the road, seen from above
