# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The maps of a clip folder that not every clip has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import write_png, write_rgb

from mila_ros.data.clip_folder import ClipError, ClipFolder
from mila_ros.data.clip_maps import read_flow, read_ids, read_normals
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.datasets.normals import encode_normals, rgb8_from_normals
from mila_ros.evaluation.sources import ClipSource

SIZE = (6, 8)


@pytest.fixture
def clip(tmp_path: Path) -> ClipFolder:
    with ClipWriter(tmp_path / "clip", fps=10.0) as writer:
        for _ in range(2):
            writer.add(np.zeros((*SIZE, 3), np.uint8))
    return ClipFolder.open(tmp_path / "clip")


def test_maps_come_back_and_reach_the_truth(clip: ClipFolder) -> None:
    random = np.random.default_rng(0)
    ids = {
        "edges": random.choice([0, 1, 255], SIZE).astype(np.uint8),
        "saliency": random.choice([0, 1, 255], SIZE).astype(np.uint8),
        "human_parts": random.choice([*range(7), 255], SIZE).astype(np.uint8),
    }
    for kind, pixels in ids.items():
        write_png(clip.path / kind / "000001.png", pixels)
    normals = random.normal(size=(*SIZE, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[0] = np.nan
    write_rgb(clip.path / "normals" / "000001.png", encode_normals(normals))
    flow = np.zeros((*SIZE, 3), np.uint16)
    flow[1:] = 2**15 + 96, 2**15 - 64, 1
    write_rgb(clip.path / "flow" / "000001.png", flow)
    for kind, pixels in ids.items():
        assert read_ids(clip, kind, 0) is None
        np.testing.assert_array_equal(read_ids(clip, kind, 1), pixels)
    np.testing.assert_allclose(read_normals(clip, 1), normals, atol=2e-5)
    found = read_flow(clip, 1)
    assert found is not None and np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1:], np.broadcast_to([1.5, -1.0], (5, 8, 2)))
    first, second = (frame.truth for frame in ClipSource(clip).frames())
    assert first.is_empty and not second.is_empty
    np.testing.assert_array_equal(second.human_parts, ids["human_parts"])
    np.testing.assert_array_equal(second.edges, ids["edges"])


@pytest.mark.parametrize(
    ("kind", "pixels", "sentence"),
    [
        ("human_parts", np.full(SIZE, 7, np.uint8), "holds 7, which is none of its values"),
        ("saliency", np.zeros((*SIZE, 3), np.uint8), "must be a uint8 picture of one channel"),
        ("edges", np.zeros((3, 3), np.uint8), "is not 8x6 as the clip is"),
    ],
)
def test_what_is_no_map_is_named(clip: ClipFolder, kind: str, pixels, sentence: str) -> None:
    write_png(clip.path / kind / "000000.png", pixels)
    with pytest.raises(ClipError, match=f"{kind}/000000.png {sentence}"):
        read_ids(clip, kind, 0)


def test_normals_as_colours() -> None:
    normals = np.array([[[1, -1, 0], [np.nan] * 3]], np.float32)
    assert rgb8_from_normals(normals).tolist() == [[[255, 0, 127], [0, 0, 0]]]
