# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streams of frames through a real, small network."""

from __future__ import annotations

import gc
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers import make_tiny_bundle, tiny_description, tiny_network
from numpy.typing import NDArray

from mila_ros.errors import MilaError
from mila_ros.networks import MILA
from mila_ros.streaming import (
    EveryN,
    Frame,
    OnRequest,
    Perception,
    Period,
    ResetCause,
    load_bundle,
    save_bundle,
)
from mila_ros.streaming.postprocessing import Postprocessor
from mila_ros.streaming.preprocessing import Preprocessor

T0 = 1_700_000_000_000_000_000
STEP = 100_000_000
MAPS = ("segmentation", "confidence", "depth", "motion", "normals")
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def perception(directory: Path) -> Perception:
    return Perception.load(directory, device="cpu")


def video(frames: int, seed: int = 0, size: tuple[int, int] = (72, 96)) -> list[Image]:
    """Blobs that drift."""
    rng = np.random.default_rng(seed)
    height, width = size
    field = rng.integers(0, 256, (height // 6, width // 6 + frames, 3), dtype=np.uint8)
    wide = cv2.resize(field, (width + 6 * frames, height), interpolation=cv2.INTER_CUBIC)
    return [wide[:, 4 * n : 4 * n + width].copy() for n in range(frames)]


def play(
    perception: Perception,
    images: list[Image],
    camera: str = "front",
    start: int = 0,
    **arguments: Any,
) -> list[Frame]:
    return [
        perception.step(image, stamp_ns=T0 + (start + n) * STEP, camera=camera, **arguments)
        for n, image in enumerate(images)
    ]


def assert_same(ours: Frame, theirs: Frame) -> None:
    for name in MAPS:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


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


def test_streaming_equals_the_network_by_hand(directory: Path, perception: Perception) -> None:
    images = video(8)
    expected = list(by_hand(directory, images, {0, 3, 6}, 80.0))
    frames = play(perception, images, focal_px=80.0)
    for frame, maps in zip(frames, expected, strict=True):
        assert maps.keys() == {"segmentation", "confidence", "depth", "motion"}
        for name, values in maps.items():
            np.testing.assert_array_equal(getattr(frame, name), values, err_msg=name)
    # The state matters, or this test would prove nothing.
    alone = next(by_hand(directory, images[4:5], {0}, 80.0))
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


# Cameras and tasks


def test_cameras_do_not_see_each_other(directory: Path) -> None:
    videos = {"front": video(9, seed=1), "left": video(9, seed=2, size=(60, 80))}
    together = Perception.load(directory, device="cpu", keyframes=EveryN(1000))
    interleaved: dict[str, list[Frame]] = {"front": [], "left": []}
    for number in range(9):
        for camera, images in videos.items():
            interleaved[camera] += play(together, [images[number]], camera, start=number)
    for camera, images in videos.items():
        alone = Perception.load(directory, device="cpu", keyframes=EveryN(1000))
        for ours, theirs in zip(interleaved[camera], play(alone, images, camera), strict=True):
            assert_same(ours, theirs)


def test_keyframes_of_cameras_in_step_are_staggered(perception: Perception) -> None:
    cameras = ("front", "left", "right")
    images = video(12)
    taken = [
        {camera for camera in cameras if play(perception, [image], camera, n)[0].is_keyframe}
        for n, image in enumerate(images)
    ]
    assert taken[0] == set(cameras)
    assert [len(which) for which in taken[1:]] == [1] * 11
    assert set.union(*taken[1:4]) == set(cameras)


def test_only_the_tasks_asked_for(directory: Path, perception: Perception) -> None:
    images = video(3)
    frames = play(perception, images, tasks=["depth"])
    everything = play(Perception.load(directory, device="cpu"), images)
    for frame, full in zip(frames, everything, strict=True):
        assert frame.segmentation is frame.confidence is frame.motion is None
        np.testing.assert_array_equal(frame.depth, full.depth)


def test_a_task_asked_for_again_makes_a_keyframe(perception: Perception) -> None:
    wanted = [
        ({"depth"}, True),  # the start
        ({"depth"}, False),
        ({"depth", "motion"}, True),
        ({"depth", "motion"}, False),
        ({"motion"}, False),
        ({"motion", "depth"}, True),
        (None, True),
        ({"segmentation"}, False),
    ]
    perception.keyframes = EveryN(1000)
    for number, ((tasks, keyframe), image) in enumerate(zip(wanted, video(8), strict=True)):
        frame = perception.step(image, stamp_ns=T0 + number * STEP, tasks=tasks)
        assert frame.is_keyframe is keyframe, number
        for task in ("segmentation", "depth", "motion"):
            assert (getattr(frame, task) is not None) == (tasks is None or task in tasks)


def test_a_requested_keyframe(perception: Perception) -> None:
    images = video(5)
    perception.keyframes = EveryN(1000)
    play(perception, images[:2])
    perception.request_keyframe("front")
    perception.request_keyframe("unknown")
    frames = play(perception, images[2:], start=2)
    assert [frame.is_keyframe for frame in frames] == [True, False, False]
    assert frames[0].reset_cause is None
    assert perception.cameras == ("front",)


def test_another_policy_while_running(perception: Perception) -> None:
    images = video(12)
    play(perception, images[:2])
    perception.keyframes = Period(0.4)
    frames = play(perception, images[2:], start=2)
    assert [n for n, frame in enumerate(frames) if frame.is_keyframe] == [0, 4, 8]
    assert perception.resets("front") == {ResetCause.START: 1}


def test_keyframes_on_request(directory: Path) -> None:
    perception = Perception.load(directory, device="cpu", keyframes=OnRequest(max_age_s=100))
    taken = []
    for number, image in enumerate(video(6)):
        if number == 4:
            perception.request_keyframe("front")
        taken.append(play(perception, [image], start=number)[0].is_keyframe)
    assert taken == [True, False, False, False, True, False]


def test_a_network_without_a_fast_encoder_has_only_keyframes(tmp_path: Path) -> None:
    description = tiny_description()
    description["network"]["arguments"]["slow_only"] = True
    torch.manual_seed(0)
    network = MILA(tiny_network().tasks, **description["network"]["arguments"])
    save_bundle(tmp_path, network, description)
    perception = Perception.load(tmp_path, device="cpu")
    perception.warm_up(40, 80)
    assert all(frame.is_keyframe for frame in play(perception, video(4)))


# Resets


def test_after_a_reset_a_stream_is_as_new(directory: Path, perception: Perception) -> None:
    images = video(4)
    play(perception, video(5, seed=9))
    perception.reset("front", cause="activated")
    fresh = play(Perception.load(directory, device="cpu"), images)
    for ours, theirs in zip(play(perception, images, start=5), fresh, strict=True):
        assert_same(ours, theirs)
        assert ours.is_keyframe == theirs.is_keyframe


@pytest.mark.parametrize(
    ("stamp_ns", "size", "cause"),
    [
        (T0 + STEP, (72, 96), ResetCause.STAMP_NOT_INCREASING),
        (T0, (72, 96), ResetCause.TIME_JUMP_BACK),
        (T0 + 12 * STEP, (72, 96), ResetCause.GAP),
        (T0 + 2 * STEP, (96, 72), ResetCause.SIZE_CHANGED),
        (T0 + 2 * STEP, (144, 192), ResetCause.SIZE_CHANGED),
        (T0 + 11 * STEP, (72, 96), None),
    ],
)
def test_frames_that_do_not_continue_the_video(
    directory: Path, stamp_ns: int, size: tuple[int, int], cause: ResetCause | None
) -> None:
    perception = Perception.load(directory, device="cpu", keyframes=EveryN(1000))
    play(perception, video(2))
    image = video(1, seed=3, size=size)[0]
    frame = perception.step(image, stamp_ns=stamp_ns, camera="front")
    assert frame.reset_cause is cause
    assert frame.is_keyframe == (cause is not None)
    expected = {ResetCause.START: 1} | ({cause: 1} if cause else {})
    assert perception.resets("front") == expected
    if cause:
        fresh = Perception.load(directory, device="cpu")
        assert_same(frame, fresh.step(image, stamp_ns=T0, camera="front"))


@pytest.mark.parametrize("cause", list(ResetCause))
def test_resets_from_outside_are_counted_by_cause(perception: Perception, cause: str) -> None:
    images = video(4)
    play(perception, images[:2], "front")
    play(perception, images[:2], "left")
    perception.reset("front", cause=cause)
    perception.reset("front", cause=ResetCause.GAP)  # no frame since: it has been reset already
    assert perception.resets("front")[ResetCause(cause)] == 1 + (cause == "start")
    frame = play(perception, images[2:], "front", start=1)[0]  # its time is not looked at either
    assert frame.is_keyframe and frame.reset_cause == cause
    assert play(perception, images[2:], "left", start=2)[0].reset_cause is None
    assert sum(perception.resets("front").values()) == 2
    assert perception.resets("left") == {ResetCause.START: 1}


def test_a_reset_of_all_cameras(perception: Perception) -> None:
    images = video(2)
    perception.reset(cause=ResetCause.ACTIVATED)  # there is none yet
    for camera in ("front", "left"):
        assert play(perception, images[:1], camera)[0].reset_cause is ResetCause.START
    perception.reset(cause=ResetCause.RELOADED)
    for camera in ("front", "left"):
        assert play(perception, images[1:], camera, 1)[0].reset_cause is ResetCause.RELOADED
    perception.reset("unknown", cause=ResetCause.GAP)
    assert perception.resets("unknown") == {}
    with pytest.raises(ValueError, match="'tired' is not a valid ResetCause"):
        perception.reset(cause="tired")


def test_frames_without_stamps_are_one_video(perception: Perception) -> None:
    perception.keyframes = EveryN(3, max_age_s=1000)  # their time is the time that this test takes
    frames = [perception.step(image, stamp_ns=0, camera="front") for image in video(7)]
    assert [frame.is_keyframe for frame in frames] == [True, False, False] * 2 + [True]
    assert perception.resets("front") == {ResetCause.START: 1}
    assert frames[1].stamp_ns == 0
    assert 0 < frames[1].keyframe_age_s < frames[2].keyframe_age_s


def test_a_clock_that_stands_still_is_counted(perception: Perception) -> None:
    frames = [perception.step(image, stamp_ns=T0, camera="front") for image in video(3)]
    assert all(frame.is_keyframe for frame in frames)
    assert perception.resets("front")[ResetCause.STAMP_NOT_INCREASING] == 2


class Trouble(RuntimeError):
    pass


def test_an_error_resets_the_stream_and_comes_out_as_it_is(
    directory: Path, perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = video(6)
    perception.keyframes = EveryN(1000)
    play(perception, images[:2])
    play(perception, images[:2], "left")
    working = MILA.decode

    def fail(*arguments: object, **options: object) -> None:
        raise Trouble("out of memory")

    monkeypatch.setattr(MILA, "decode", fail)
    for number in (2, 3):
        with pytest.raises(Trouble, match="out of memory"):
            play(perception, [images[number]], start=number)
    assert perception.resets("front") == {ResetCause.START: 1, ResetCause.ERROR: 2}
    monkeypatch.setattr(MILA, "decode", working)
    frames = play(perception, images[4:], start=4)
    assert [frame.reset_cause for frame in frames] == [ResetCause.ERROR, None]
    fresh = play(Perception.load(directory, device="cpu"), images[4:])
    for ours, theirs in zip(frames, fresh, strict=True):
        assert_same(ours, theirs)
    assert play(perception, images[2:3], "left", start=2)[0].reset_cause is None


def test_a_reset_during_a_frame_holds_for_the_next(
    directory: Path, perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread resets while the network runs: its result must not bring the state back."""
    images = video(4)
    running, go_on = threading.Event(), threading.Event()
    decode = MILA.decode

    def slow(*arguments: Any, **options: Any) -> Any:
        running.set()
        assert go_on.wait(20)
        return decode(*arguments, **options)

    play(perception, images[:1])
    monkeypatch.setattr(MILA, "decode", slow)
    worker = threading.Thread(target=play, args=(perception, images[1:2], "front", 1))
    worker.start()
    assert running.wait(20)
    perception.reset("front", cause=ResetCause.TIME_JUMP_BACK)
    assert perception.resets("front") == {ResetCause.START: 1, ResetCause.TIME_JUMP_BACK: 1}
    go_on.set()
    worker.join(20)
    monkeypatch.undo()
    frames = play(perception, images[2:])
    assert frames[0].reset_cause is ResetCause.TIME_JUMP_BACK
    for ours, theirs in zip(frames, play(Perception.load(directory), images[2:]), strict=True):
        assert_same(ours, theirs)


# Bounds


def test_the_longest_idle_camera_is_dropped(directory: Path) -> None:
    perception = Perception.load(directory, device="cpu", max_cameras=2)
    image = video(1)
    play(perception, image, "a")
    play(perception, image, "b")
    play(perception, image, "a", start=1)
    assert perception.cameras == ("b", "a") and perception.dropped_cameras == 0
    assert play(perception, image, "c", start=2)[0].reset_cause is ResetCause.START
    assert perception.cameras == ("a", "c") and perception.dropped_cameras == 1
    assert play(perception, image, "a", start=2)[0].reset_cause is None
    assert play(perception, image, "b", start=2)[0].reset_cause is ResetCause.START
    assert perception.cameras == ("a", "b") and perception.dropped_cameras == 2


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


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rgb": np.zeros((4, 4), np.uint8)}, r"an image must be RGB, uint8"),
        ({"rgb": np.zeros((4, 4, 3), np.int32)}, r"not int32 \[4, 4, 3\]"),
        ({"stamp_ns": -1}, "must not be negative, but it is -1 ns"),
        ({"tasks": ["depth", "flow"]}, "ask for some of them, not for flow"),
        ({"tasks": []}, "ask for some of them, not for none"),
        ({"tasks": "depth"}, "a collection of names, not one text"),
        ({"focal_px": 0.0}, "must be positive and finite, not 0.0 px"),
        ({"focal_px": float("nan")}, "must be positive and finite, not nan px"),
    ],
)
def test_wrong_arguments_leave_the_stream_as_it_was(
    perception: Perception, arguments: dict[str, Any], message: str
) -> None:
    images = video(3)
    play(perception, images[:2])
    usual: dict[str, Any] = {"rgb": images[2], "stamp_ns": T0 + 2 * STEP, "camera": "front"}
    with pytest.raises(ValueError, match=message):
        perception.step(**(usual | arguments))
    frame = perception.step(**usual)
    assert frame.reset_cause is None and frame.keyframe_age == 2
    assert perception.resets("front") == {ResetCause.START: 1}


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
    directory: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Perception.load(directory, **({"device": "cpu"} | arguments))


def test_warming_up_leaves_no_trace(directory: Path, perception: Perception) -> None:
    perception.warm_up(72, 96)
    assert perception.cameras == ()
    fresh = play(Perception.load(directory, device="cpu"), video(2))
    for ours, theirs in zip(play(perception, video(2)), fresh, strict=True):
        assert_same(ours, theirs)
