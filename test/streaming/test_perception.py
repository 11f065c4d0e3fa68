# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a frame says: its maps through a real, small network, and what stays behind."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import make_tiny_bundle, tiny_description, tiny_network
from numpy.typing import NDArray
from stream_bench import MAPS, STEP, T0, Image, assert_same, play, video

from mila_ros.errors import MilaError
from mila_ros.streaming import Perception, ResetCause, load_bundle, save_bundle
from mila_ros.streaming.postprocessing import Postprocessor
from mila_ros.streaming.preprocessing import Preprocessor


def by_hand(
    directory: Path, images: list[Image], keyframes: Collection[int], focal_px: float
) -> Iterator[dict[str, NDArray[Any]]]:
    """The same computation written out, with the state carried in a variable."""
    bundle, network = load_bundle(directory)
    preprocess = Preprocessor(bundle.input, torch.device("cpu"))
    state = None
    for number, image in enumerate(images):
        with torch.inference_mode():
            tensor = preprocess(image)
            logits, state = network(tensor, state, keyframe=number in keyframes)
            scale = focal_px * tensor.shape[3] / image.shape[1] / 100.0
            yield Postprocessor(bundle)(logits, image.shape[:2], scale)


def test_streaming_equals_the_network_by_hand(original: Path, perception: Perception) -> None:
    images = video(8)
    expected = list(by_hand(original, images, {0, 3, 6}, 80.0))
    frames = play(perception, images, focal_px=80.0)
    for frame, maps in zip(frames, expected, strict=True):
        assert maps.keys() == {"segmentation", "confidence", "depth", "motion"}
        for name, values in maps.items():
            np.testing.assert_array_equal(getattr(frame, name), values, err_msg=name)
    # The state matters, or this test would prove nothing.
    alone = next(by_hand(original, images[4:5], {0}, 80.0))
    assert (alone["depth"] != expected[4]["depth"]).mean() > 0.5


def test_what_a_frame_says(perception: Perception) -> None:
    frames = play(perception, video(5))
    assert [frame.is_keyframe for frame in frames] == [True, False, False, True, False]
    assert [frame.keyframe_age for frame in frames] == [0, 1, 2, 0, 1]
    assert [frame.keyframe_age_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0, 0.1])
    assert [frame.reset_cause for frame in frames] == [ResetCause.START] + [None] * 4
    for number, frame in enumerate(frames):
        assert (frame.camera, frame.stamp_ns) == ("front", T0 + number * STEP)
        assert frame.timings_ms.keys() == {"preprocess", "network", "postprocess", "total"}
        stages = [frame.timings_ms[name] for name in ("preprocess", "network", "postprocess")]
        assert min(stages) > 0
        assert frame.timings_ms["total"] >= sum(stages)


def test_the_maps_types_and_values(perception: Perception) -> None:
    frame = play(perception, video(1, size=(75, 101)))[0]
    assert frame.segmentation is not None and frame.confidence is not None
    assert frame.depth is not None and frame.motion is not None and frame.normals is None
    for name, dtype in {
        "segmentation": np.uint8,
        "confidence": np.uint8,
        "depth": np.float32,
        "motion": np.uint8,
    }.items():
        values = getattr(frame, name)
        assert values.shape == (75, 101) and values.dtype == dtype, name
        assert values.flags.c_contiguous and values.flags.writeable, name
    assert set(np.unique(frame.segmentation)) <= set(range(5))
    assert len(np.unique(frame.segmentation)) > 1
    assert frame.confidence.min() >= 255 // 5
    assert set(np.unique(frame.motion)) == {0, 255}
    assert np.isfinite(frame.depth).any() and not (frame.depth == 0).any()


def test_confidence_only_where_it_is_wanted(original: Path) -> None:
    image = video(1)[0]
    frames = [
        Perception.load(original, device="cpu").step(image, stamp_ns=T0, confidence=wanted)
        for wanted in (True, False)
    ]
    assert frames[0].confidence is not None and frames[1].confidence is None
    for name in ("segmentation", "depth", "motion"):
        assert np.array_equal(getattr(frames[0], name), getattr(frames[1], name)), name


def test_all_four_tasks(tmp_path: Path) -> None:
    tasks = ["segmentation", "depth", "motion", "normals"]
    perception = Perception.load(make_tiny_bundle(tmp_path, tasks), device="cpu")
    frame = play(perception, video(1))[0]
    assert frame.normals is not None and frame.normals.shape == (72, 96, 3)
    np.testing.assert_allclose(np.linalg.norm(frame.normals, axis=2), 1, atol=1e-5)


def test_the_callers_image_is_left_alone_and_maps_are_its_own(perception: Perception) -> None:
    images = video(2, size=(64, 128))  # the input size: nothing is resized
    copies = [image.copy() for image in images]
    first, second = play(perception, images)
    kept = {name: getattr(first, name).copy() for name in MAPS[:4]}
    for name in MAPS[:4]:
        assert not np.shares_memory(getattr(first, name), getattr(second, name))
        getattr(second, name)[:] = 7
    play(perception, images, start=2)
    for name, values in kept.items():
        np.testing.assert_array_equal(getattr(first, name), values)
    for image, copy in zip(images, copies, strict=True):
        np.testing.assert_array_equal(image, copy)


def test_depth_follows_the_focal_length(perception: Perception) -> None:
    image = video(1)
    near = play(perception, image, "a", focal_px=50.0)[0]
    far = play(perception, image, "b", focal_px=100.0)[0]
    assumed = play(perception, image, "c")[0]
    assert near.depth is not None and far.depth is not None and assumed.depth is not None
    both = np.isfinite(near.depth) & np.isfinite(far.depth)
    assert both.mean() > 0.3
    np.testing.assert_allclose(far.depth[both], 2 * near.depth[both], rtol=1e-4)
    # 75 degrees over 96 pixels.
    known = play(perception, image, "d", focal_px=48 / np.tan(np.radians(37.5)))[0]
    np.testing.assert_allclose(assumed.depth, known.depth, rtol=1e-5)
    assert [frame.depth_scale_assumed for frame in (near, assumed, known)] == [False, True, False]
    assert not play(perception, image, "e", tasks=["motion"])[0].depth_scale_assumed


def test_depth_without_a_unit_has_no_scale(tmp_path: Path) -> None:
    description = tiny_description()
    description["depth"]["metric"] = False
    save_bundle(tmp_path, tiny_network(), description)
    perception = Perception.load(tmp_path, device="cpu")
    one = play(perception, video(1), "a", focal_px=50.0)[0]
    other = play(perception, video(1), "b")[0]
    np.testing.assert_array_equal(one.depth, other.depth)
    assert not other.depth_scale_assumed


# What stays behind


def tensors_alive() -> int:
    """Elements of all tensors that Python knows of."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return sum(tensor.numel() for tensor in tensors)


def test_state_does_not_grow(perception: Perception) -> None:
    images = video(7)
    cameras = ("front", "left")
    sizes = []
    for start in (0, 7, 14, 21, 28):
        for number, image in enumerate(images):
            for camera in cameras:
                play(perception, [image], camera, start + number)
        perception.reset("left", cause=ResetCause.FRAME_ID_CHANGED)
        sizes.append(tensors_alive())
    assert sizes[0] == sizes[-1], sizes
    perception.reset(cause=ResetCause.ACTIVATED)
    assert tensors_alive() < sizes[-1]


def test_warming_up_leaves_no_trace(original: Path, perception: Perception) -> None:
    perception.warm_up(72, 96)
    assert perception.cameras == ()
    fresh = play(Perception.load(original, device="cpu"), video(2))
    for ours, theirs in zip(play(perception, video(2)), fresh, strict=True):
        assert_same(ours, theirs)


# Settings


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "tpu"}, MilaError, "unknown device 'tpu'"),
        ({"device": "cuda:999"}, MilaError, "the device cuda:999 is not there"),
        ({"threads": -1}, MilaError, "number of threads"),
        ({"max_gap_s": 0}, ValueError, "max_gap_s must be positive"),
        ({"max_cameras": 0}, ValueError, "max_cameras must be at least 1, not 0"),
    ],
)
def test_settings_out_of_range(
    original: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Perception.load(original, **({"device": "cpu"} | arguments))
