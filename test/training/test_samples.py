# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples: which frames play which role, and what becomes of their maps."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from training_bench import CLASSES, config, open_clips, single_stage, write_clip

from mila_ros.errors import MilaError
from mila_ros.training.augmentation import View
from mila_ros.training.clips import Clips, find_clips
from mila_ros.training.labels import label_table, resolve_classes
from mila_ros.training.samples import BEFORE, CURRENT, KEY, LAST, Sampler

FOCAL = 50.0


def sampler(
    clips: Clips, objective: str, world: int = 1, rank: int = 0, **stage: object
) -> Sampler:
    parsed = config(stages=single_stage(objective, **stage)).stages[0]
    return Sampler(clips, parsed, FOCAL, 7, rank, world)


def drawn(clips: Clips, objective: str, **stage: object) -> list[list[int]]:
    made = sampler(clips, objective, **stage)
    return [made.frames(0, np.random.default_rng(n)) for n in range(300)]


def test_roles_of_a_fully_labelled_video(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", frames=8))
    samples = drawn(clips, "video", max_distance=4)
    distances = set()
    for roles in samples:
        before, key, last, now = (roles[role] for role in (BEFORE, KEY, LAST, CURRENT))
        assert 0 <= before == key - 1
        assert key < now <= 7
        # The last frame that is no keyframe: the one before this, unless that is the keyframe.
        assert last == (now - 1 if now - 1 != key else before)
        distances.add(now - key)
    assert distances == {1, 2, 3, 4}


def test_a_clip_with_one_label_supervises_key_and_current_frames(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", frames=8, labelled=[5]))
    samples = drawn(clips, "video", max_distance=3)
    as_key = [s for s in samples if s[KEY] == 5]
    as_current = [s for s in samples if s[CURRENT] == 5 and s[KEY] != 5]
    assert len(as_key) + len(as_current) == len(samples)
    assert min(len(as_key), len(as_current)) > 100
    assert {5 - s[KEY] for s in as_current} == {1, 2, 3}
    assert all(s == [4, 5, 4, 6] for s in as_key)


def test_a_label_on_the_last_frame_has_no_later_one(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", frames=4, labelled=[3]))
    assert [2, 3, 2, 3] in drawn(clips, "video")


def test_stills_are_videos_in_which_nothing_moves(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", frames=3, fps=1.0))
    assert {tuple(s) for s in drawn(clips, "video")} == {(n,) * 4 for n in range(3)}
    assert {tuple(s) for s in drawn(clips, "pair")} == {(n, n) for n in range(3)}


@pytest.mark.parametrize("objective", ["video", "pair"])
def test_a_picture_that_is_shown_all_the_time_does_not_move(tmp_path: Path, objective: str) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", frames=6))
    still = sampler(clips, objective, disturb=False, still=1.0)
    for n in range(8):
        images, targets = still.sample(n)
        assert (images == images[:1]).all()
        assert set(np.unique(targets["motion"])) == {0}
    never, often, always = (
        sum(255 in made.sample(n)[1]["motion"] for n in range(60))
        for made in (sampler(clips, objective, still=share) for share in (0.0, 0.5, 1.0))
    )
    assert always == 0 and 0.3 * never < often < 0.7 * never


@pytest.mark.parametrize("objective", ["video", "pair"])
def test_stills_do_not_move_whatever_their_labels_say(tmp_path: Path, objective: str) -> None:
    folder = write_clip(tmp_path / "clip", frames=2, fps=1.0)
    motion = np.full((40, 72), 127, np.uint8)
    motion[:, 18:] = 255
    cv2.imwrite(str(folder / "motion/000001.png"), motion)
    made = sampler(open_clips(folder), objective, disturb=False)
    samples = [made.sample(n) for n in range(12)]
    assert all((images == images[:1]).all() for images, _ in samples)
    seen = {int(value) for _, targets in samples for value in np.unique(targets["motion"])}
    assert seen == {0, 127}  # what is unknown stays so
    alone = sampler(open_clips(folder), "frames")
    assert any((alone.sample(n)[1]["motion"] == 255).any() for n in range(12))


def test_a_pair_is_a_frame_and_the_one_before(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", frames=4, labelled=[0, 2, 3]))
    assert {tuple(s) for s in drawn(clips, "pair")} == {(1, 2), (2, 3)}


def test_depth_is_what_the_canonical_camera_would_measure(tmp_path: Path) -> None:
    """Twice as near a focal length, or twice as large a picture: half the depth."""
    clips = open_clips(write_clip(tmp_path / "clip", frames=1, size=(64, 128), focal=100.0))
    made = sampler(clips, "frames", zoom=[0.5, 2.0])
    zooms = set()
    for n in range(40):
        rng = np.random.default_rng((7, n))
        rng.integers(1), rng.integers(1)  # the clip, the frame
        view = View.draw(rng, (64, 128), (32, 64), (0.5, 2.0))
        zooms.add(view.zoom)
        target = made.sample(n)[1]["depth"][0]
        near, far = (metres * FOCAL / (100.0 * view.zoom) for metres in (2.0, 4.0))
        assert (np.isclose(target, near, rtol=1e-6) | np.isclose(target, far, rtol=1e-6)).all()
    assert max(zooms) / min(zooms) > 2


def test_maps_stay_on_their_pixels(tmp_path: Path) -> None:
    """In every view the bright half is the one that is labelled 2, moving and 4 m away."""
    clips = open_clips(write_clip(tmp_path / "clip", frames=2))
    made = sampler(clips, "frames", zoom=[0.9, 1.6])
    for n in range(20):
        image, targets = made.sample(n)
        bright = image[0].mean(0)
        label, motion = targets["segmentation"][0], targets["motion"][0]
        assert ((label == 2) == (motion == 255)).all()
        if (label == 2).any() and (label == 0).any():
            assert bright[label == 2].mean() > bright[label == 0].mean() + 30


def test_mirrored_normals_look_the_other_way(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", maps=("normals",)), tasks=["normals"])
    made = sampler(clips, "frames")
    seen = set()
    for n in range(12):
        normals = made.sample(n)[1]["normals"][0]
        assert normals.shape == (3, 32, 64)
        x = round(float(normals[0].mean()), 3)
        assert abs(x) == pytest.approx(0.6, abs=1e-3)
        np.testing.assert_allclose(normals[2], -0.8, atol=1e-3)
        seen.add(x > 0)
    assert seen == {False, True}


def test_samples_depend_on_seed_and_number_alone(two_clips: Path) -> None:
    clips = open_clips(two_clips)
    made = sampler(clips, "video")
    first = made.make(5)
    batches = sampler(clips, "video").batches(4)
    next(batches)
    again = next(batches)
    batches.close()
    assert torch.equal(first.image, again.image)
    assert all(torch.equal(first.targets[t], again.targets[t]) for t in first.targets)
    assert not torch.equal(first.image, made.make(6).image)


def test_processes_share_the_samples_of_a_step(two_clips: Path) -> None:
    clips = open_clips(two_clips)
    whole = sampler(clips, "frames", batch=4)
    for step in (0, 3):
        parts = [sampler(clips, "frames", 2, rank, batch=2).make(step) for rank in (0, 1)]
        both = torch.cat([part.image for part in parts], dim=1)
        assert torch.equal(both, whole.make(step).image)
        depth = torch.cat([part.targets["depth"] for part in parts], dim=1)
        assert torch.equal(depth, whole.make(step).targets["depth"])


def test_a_step_has_crops_of_one_shape_and_steps_of_all(two_clips: Path) -> None:
    clips = open_clips(two_clips)
    made = [
        sampler(clips, "video", 2, rank, crop=[64, 128], aspects=[1.0, 2, 4]) for rank in (0, 1)
    ]
    sizes = set()
    for step in range(12):
        one, other = (each.make(step) for each in made)
        size = tuple(one.image.shape[-2:])
        assert other.image.shape == one.image.shape
        assert all(target.shape[-2:] == size for target in one.targets.values())
        sizes.add(size)
    # Of 8192 pixels, as near as multiples of 8 come.
    assert sizes == {(88, 88), (64, 128), (48, 184)}


def test_unlabelled_tasks_are_unknown(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip", maps=("segmentation",), fps=1.0))
    targets = sampler(clips, "video").make(0).targets
    assert targets["depth"].isnan().all() and (targets["motion"] == 127).all()
    assert (targets["segmentation"] != 255).all()


def test_class_weights_by_hand(tmp_path: Path) -> None:
    clips = open_clips(write_clip(tmp_path / "clip"))
    shares = np.array([0.5, 0.0, 0.5])
    expected = 1 / np.log(1.1 + shares)
    np.testing.assert_allclose(clips.class_weights(), expected / expected.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("own", "target", "expected"),
    [
        (["car", "road"], ["road", "sky", "car"], [2, 0]),
        (["road", "sidewalk", "truck"], "cityscapes7", [0, 0, 6]),
        (["tree", "pavement", "bicyclist"], "cityscapes19", [8, 1, 12]),
        (["Traffic_Light", "sky"], "camvid11", [6, 0]),
        (["sky", "tree", "pedestrian"], "cityscapes7", [4, 3, 5]),
        (["wall", "dragon"], ["wall", "floor"], [0, 255]),
    ],
)
def test_labels_are_mapped_by_name(
    own: list[str], target: str | list[str], expected: list[int]
) -> None:
    table = label_table(own, resolve_classes(target))
    assert table[: len(own)].tolist() == expected
    assert (table[len(own) :] == 255).all()


def test_labels_with_no_counterpart_are_refused() -> None:
    with pytest.raises(MilaError, match="none of the classes dragon, elf is one of own: road, sky"):
        label_table(["dragon", "elf"], resolve_classes(["road", "sky"]))


def test_rooms_teach_a_street_model_without_their_labels(tmp_path: Path) -> None:
    room = write_clip(tmp_path / "room", classes=("floor", "wall", "sofa"))
    with pytest.raises(MilaError, match=r"room cannot be trained on: .* remove its label/ and lab"):
        open_clips(room, classes="cityscapes19")
    shutil.rmtree(room / "label")
    (room / "labels.json").unlink()
    targets = sampler(open_clips(room, classes="cityscapes19"), "video").make(0).targets
    assert (targets["segmentation"] == 255).all()
    assert (targets["depth"] > 0).all() and (targets["motion"] == 255).any()


@pytest.mark.parametrize("classes", [["road"], ["road", "road"], "cityscapes", []])
def test_lists_of_classes_that_are_none(classes: str | list[str]) -> None:
    with pytest.raises(MilaError, match="list"):
        resolve_classes(classes)


@pytest.mark.parametrize(
    ("kind", "spoil", "sentence"),
    [
        ("label", lambda p: cv2.imwrite(str(p), np.full((40, 72), 7, np.uint8)),
         "holds class id 7, but labels.json names 3 classes"),
        ("label", lambda p: p.write_bytes(p.read_bytes()[:60]), "damaged or not an image"),
        ("label", lambda p: p.write_bytes(b""), "damaged or not an image"),
        ("image", lambda p: p.write_bytes(p.read_bytes()[:400]), "cannot be read. The PNG ends"),
        ("depth", lambda p: cv2.imwrite(str(p), np.zeros((8, 8), np.uint16)),
         "is 8x8, but the clip is 72x40"),
        ("motion", lambda p: cv2.imwrite(str(p), np.full((40, 72), 9, np.uint8)),
         "holds values other than 0, 127 and 255"),
        ("normals", lambda p: cv2.imwrite(str(p), np.zeros((40, 72), np.uint8)),
         "must be a uint16 picture of three channels"),
        ("normals", lambda p: p.write_bytes(b""), "damaged or not an image"),
        ("edges", lambda p: cv2.imwrite(str(p), np.full((40, 72), 3, np.uint8)),
         "holds 3, which is none of its values"),
        ("edges", lambda p: cv2.imwrite(str(p), np.zeros((40, 70), np.uint8)),
         "is not 72x40 as the clip is"),
    ],
)  # fmt: skip
def test_a_spoilt_map_is_named(tmp_path: Path, kind: str, spoil, sentence: str) -> None:
    every = ("segmentation", "depth", "motion", "normals", "edges")
    folder = write_clip(tmp_path / "clip", frames=1, maps=every)
    spoil(folder / kind / "000000.png")
    clips = open_clips(folder, tasks=every)
    with pytest.raises(MilaError, match=sentence) as caught:
        sampler(clips, "frames").make(0)
    assert f"{kind}/000000.png" in str(caught.value)


@pytest.mark.parametrize("seed", [900_000, 950_000, 999_999])
def test_seeds_of_validation_and_test_are_refused(tmp_path: Path, seed: int) -> None:
    folder = write_clip(tmp_path / "clip", frames=1)
    (folder / "simulation.json").write_text(f'{{"seed": {seed}}}')
    with pytest.raises(MilaError, match=f"cannot be trained on: seed {seed} is kept for"):
        open_clips(folder)


def test_what_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(MilaError, match="is no folder"):
        find_clips([tmp_path / "none"])
    with pytest.raises(MilaError, match="there is no clip folder in"):
        find_clips([tmp_path])
    short = open_clips(write_clip(tmp_path / "short", frames=2))
    with pytest.raises(MilaError, match="no clip has 3 frames or more and maps of segmentation"):
        sampler(short, "video")
    blind = write_clip(tmp_path / "blind", frames=1)
    (blind / "camera.json").write_text('{"width": 72, "height": 40, "fps": 5, "depth": '
                                       '"uint16, millimetres, 0 = unknown"}')  # fmt: skip
    with pytest.raises(MilaError, match="no K in its camera.json"):
        open_clips(blind)
    (blind / "simulation.json").write_text("{")
    with pytest.raises(MilaError, match="does not say which seed made the clip"):
        open_clips(blind)


def test_a_clip_in_other_words_is_a_clip_of_the_same_classes(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "clip", classes=["car", "sky", "road"])
    target = open_clips(folder, classes=CLASSES).target(0, 0, "segmentation")
    assert target is not None and np.unique(target[:, :36]).tolist() == [2]
