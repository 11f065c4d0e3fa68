# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every network's bundle, as a training writes it, streams what its network gives by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from network_bundles import ARGUMENTS, SIZE, by_hand, write_network_bundle

from mila_ros.networks import NETWORKS
from mila_ros.networks.astmt import ASTMT
from mila_ros.streaming import Perception
from mila_ros.streaming.postprocessing import decode_probability
from mila_ros.tasks import TASKS

STEP_NS = 100_000_000


def pictures(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(count)]


def test_every_network_is_tested_here() -> None:
    assert {*ARGUMENTS, "mila"} == set(NETWORKS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_networks_bundle_streams(tmp_path: Path, name: str) -> None:
    folder = write_network_bundle(tmp_path / "model", name)
    images = pictures(3)
    bundle, expected = by_hand(folder, images)
    assert bundle.network == name and bundle.task_names == ("segmentation", "depth", "motion")
    perception = Perception.load(folder, device="cpu", threads=1)
    for number, (image, logits) in enumerate(zip(images, expected, strict=True), start=1):
        frame = perception.step(image, stamp_ns=number * STEP_NS, focal_px=60.0)
        assert frame.is_keyframe and frame.keyframe_age == 0
        ids = logits["segmentation"][0].argmax(0).numpy()
        moving = (logits["motion"][0, 1] > logits["motion"][0, 0]).numpy()
        log_metres = logits["depth"][0, 0].numpy()
        near, far = log_metres < np.log(0.5), log_metres > np.log(100)
        # Convolutions of another memory layout round otherwise.
        assert (frame.segmentation == ids).mean() > 0.999
        assert ((frame.motion == 255) == moving).mean() > 0.999
        assert (np.isneginf(frame.depth) == near).mean() > 0.999
        assert (np.isposinf(frame.depth) == far).mean() > 0.999
        both = np.isfinite(frame.depth) & ~near & ~far
        np.testing.assert_allclose(np.log(frame.depth[both]), log_metres[both], atol=2e-3)
        assert both.mean() > 0.01 and np.ptp(log_metres) > 0.3


def test_only_multinet_sees_the_frame_before(tmp_path: Path) -> None:
    images = pictures(2)
    for name in ("multinet", "mti_net"):
        folder = write_network_bundle(tmp_path / name, name)
        perception = Perception.load(folder, device="cpu", threads=1)
        after = [perception.step(image, stamp_ns=n + 1).depth for n, image in enumerate(images)]
        alone = Perception.load(folder, device="cpu", threads=1).step(images[1], stamp_ns=1).depth
        assert np.array_equal(after[1], alone) is (name == "mti_net")


def test_astmt_runs_the_task_that_is_asked_for(tmp_path: Path, monkeypatch) -> None:
    folder = write_network_bundle(tmp_path / "model", "astmt")
    perception = Perception.load(folder, device="cpu", threads=1)
    ran: list[str] = []
    features = ASTMT.features
    monkeypatch.setattr(
        ASTMT, "features", lambda self, x, task: ran.append(task) or features(self, x, task)
    )
    (image,) = pictures(1)
    whole = perception.step(image, stamp_ns=1, camera="whole")
    assert sorted(ran) == ["depth", "motion", "segmentation"]
    ran.clear()
    frame = perception.step(image, stamp_ns=1, camera="one", tasks={"depth"})
    assert ran == ["depth"]
    np.testing.assert_array_equal(frame.depth, whole.depth)
    assert frame.segmentation is None and frame.motion is None


def test_every_task_has_its_map(tmp_path: Path) -> None:
    folder = write_network_bundle(tmp_path / "model", "mti_net", list(TASKS))
    images = pictures(1)
    _, (logits,) = by_hand(folder, images)
    frame = Perception.load(folder, device="cpu", threads=1).step(images[0], stamp_ns=1)
    for name in ("edges", "saliency"):
        found, probability = getattr(frame, name), logits[name][0, 0].sigmoid().numpy()
        assert found.dtype == np.uint8 and found.shape == SIZE
        np.testing.assert_allclose(found, 255 * probability, atol=0.51)
        assert np.ptp(found) > 50
    assert (frame.human_parts == logits["human_parts"][0].argmax(0).numpy()).mean() > 0.999
    assert frame.human_parts.dtype == np.uint8 and len(np.unique(frame.human_parts)) > 2
    vectors = torch.nn.functional.normalize(logits["normals"][0], dim=0).permute(1, 2, 0)
    # Rounding is of the size of the largest logits; a unit vector from small ones shows more of it.
    np.testing.assert_allclose(frame.normals, vectors.numpy(), atol=1e-3)
    assert frame.normals.dtype == np.float32
    # At another size the maps are of the image's, the vectors still of unit length.
    larger = np.ascontiguousarray(images[0].repeat(2, 0).repeat(3, 1))
    frame = Perception.load(folder, device="cpu", threads=1).step(larger, stamp_ns=1)
    for name in ("edges", "saliency", "human_parts", "normals"):
        assert getattr(frame, name).shape[:2] == larger.shape[:2]
    np.testing.assert_allclose(np.linalg.norm(frame.normals, axis=-1), 1, atol=1e-5)


def test_a_probability_that_is_no_number_is_0() -> None:
    logits = torch.tensor([[[[0.0, math.nan, math.inf, -math.inf]]]])
    found = decode_probability(logits, (1, 4))
    assert (found.dtype, found.tolist()) == (torch.uint8, [[128, 0, 255, 0]])
