# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples and the plain trainer, on two small clips made here."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
import torch

from mila_ros.errors import MilaError
from mila_ros.training import plain
from mila_ros.training.samples import LabelledClip, Sampler, class_weights, load_clips

FRAMES, HEIGHT, WIDTH = 4, 200, 400


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for number in range(2):
        folder = root / f"{number:06d}"
        for kind in ("image", "label", "motion", "depth"):
            (folder / kind).mkdir(parents=True)
        for frame in range(FRAMES):
            name = f"{frame:06d}.png"
            maps = {
                "image": rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8),
                "label": rng.integers(0, plain.CLASSES, (HEIGHT, WIDTH), np.uint8),
                "motion": rng.integers(0, 2, (HEIGHT, WIDTH), np.uint8) * 255,
                "depth": rng.integers(0, 20 * 256, (HEIGHT, WIDTH), np.uint16),
            }
            for kind, pixels in maps.items():
                cv2.imwrite(str(folder / kind / name), pixels)
        (folder / "labels.json").write_text(
            json.dumps({"classes": [str(n) for n in range(plain.CLASSES)], "void": 255})
        )
        camera = {
            "width": WIDTH,
            "height": HEIGHT,
            "fps": 10,
            "K": [[300, 0, 200], [0, 300, 100], [0, 0, 1]],
            "depth": "uint16, metres * 256, 0 = unknown",
        }
        (folder / "camera.json").write_text(json.dumps(camera))
    return root


def ramp_clip(focal_px):
    """Every map tells which frame and which column it comes from."""
    column = np.broadcast_to(np.arange(64, dtype=np.float32), (32, 64))
    frame = np.arange(6, dtype=np.float32)[:, None, None]
    image = np.zeros((6, 32, 64, 3), np.uint8)
    return LabelledClip(
        image=image,
        label=np.broadcast_to(column, (6, 32, 64)).astype(np.uint8),
        motion=(np.zeros((6, 32, 64)) + frame).astype(np.uint8),
        depth=np.broadcast_to(column + 1, (6, 32, 64)).astype(np.float16),
        focal_px=focal_px,
    )


def test_a_sample_is_frame_before_key_last_nonkey_current():
    sampler = Sampler([ramp_clip(100)], batch=64, size=(32, 64), canonical_focal_px=100, seed=1)
    frames = sampler.make(0).motion[:, :, 0, 0]  # the motion map holds the frame's number
    before, key, last, current = frames
    assert torch.equal(before, key - 1)
    assert (current > key).all()
    adjacent = current == key + 1
    assert torch.equal(last, torch.where(adjacent, key - 1, current - 1))
    assert set((current - key).tolist()) == {1, 2, 3, 4}  # every distance to the keyframe


def test_depth_is_canonical_under_zoom_and_stays_with_its_pixels():
    focal, canonical = 80.0, 100.0
    sampler = Sampler([ramp_clip(focal)], 16, (32, 64), canonical, seed=2)
    batch = sampler.make(0)
    column = batch.label.float()  # where the pixel was in the clip
    zoom = (column + 1) * (canonical / focal) / batch.depth
    for sample in range(16):
        values = zoom[:, sample]
        assert values.std() < 1e-2 * values.mean()  # one zoom for the sample, in every pixel
        assert 1.0 <= values.mean() <= 1.41


def test_batches_depend_on_seed_and_number_alone(clips):
    loaded = load_clips(clips)
    one = Sampler(loaded, 2, (96, 192), 300, seed=3)
    stream = one.batches(first=5)
    again = Sampler(loaded, 2, (96, 192), 300, seed=3)
    for number in (5, 6):
        batch = next(stream)
        assert torch.equal(batch.image, again.make(number).image)
    assert not torch.equal(batch.image, Sampler(loaded, 2, (96, 192), 300, 4).make(6).image)


def test_rare_classes_weigh_more():
    clip = ramp_clip(100)
    label = np.zeros((6, 32, 64), np.uint8)
    label[:, 0, 0] = 1
    weights = class_weights([LabelledClip(clip.image, label, clip.motion, clip.depth, 1.0)], 2)
    share = 1 / (32 * 64)
    expected = np.array([1 / math.log(1.1 + 1 - share), 1 / math.log(1.1 + share)])
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-5)


def test_learning_rate_warms_up_and_falls_to_zero():
    rates = [plain.learning_rate(step, 100, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[4] == pytest.approx(1.0)
    assert rates[52] == pytest.approx(0.5, abs=0.01) and rates[99] == 0
    assert all(a > b for a, b in zip(rates[4:], rates[5:], strict=False))


def test_a_resumed_run_equals_an_uninterrupted_one(clips, tmp_path, monkeypatch):
    # Not narrower: torch 2.13 on a CPU corrupts its heap in the backward pass of a channels_last
    # 1×1 convolution with stride 2 from 8 to 16 channels.
    small = {**plain.NETWORK, "slow": "resnet18", "slow_width": 16, "channels": 16}
    monkeypatch.setattr(plain, "NETWORK", {**small, "decoder_channels": [8, 8]})
    arguments = ["--clips", str(clips), "--steps", "4", "--batch", "2", "--save-every", "2"]
    plain.main([*arguments, "--out", str(tmp_path / "whole")])

    original, calls = plain.losses, []

    def stopped(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(plain, "losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        plain.main([*arguments, "--out", str(tmp_path / "parts")])
    monkeypatch.setattr(plain, "losses", original)
    plain.main([*arguments, "--out", str(tmp_path / "parts")])
    whole, parts = (
        torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parts")
    )
    assert whole["step"] == parts["step"] == 4
    for name, tensor in whole["network"].items():
        assert torch.equal(tensor, parts["network"][name]), name


def test_clips_without_labels_are_refused_in_words(clips, tmp_path):
    folder = tmp_path / "000000"
    (folder / "image").mkdir(parents=True)
    cv2.imwrite(str(folder / "image" / "0.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "camera.json").write_text(
        json.dumps({"width": 8, "height": 8, "K": [[9, 0, 4], [0, 9, 4], [0, 0, 1]]})
    )
    with pytest.raises(MilaError, match="not every frame has a map in label/"):
        load_clips(tmp_path)
