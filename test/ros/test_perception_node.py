# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What comes out of the node for what goes in, over DDS."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from helpers import TINY_DEFAULT
from perception_bench import as_dict, watch_steps
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mila_ros.data.compressed_images import compressed_to_rgb
from mila_ros.ros.outputs import OUTPUTS
from mila_ros.streaming import EveryN, Perception

OFFERED = [output for output in OUTPUTS if output.task in TINY_DEFAULT]
TOPICS = [output.topic for output in OFFERED]
IMAGE_TOPICS = [output.topic for output in OFFERED if output.type is Image]


def pixels(message) -> np.ndarray:
    dtype = {"32FC1": np.float32, "16UC1": np.uint16}.get(message.encoding, np.uint8)
    count = 3 if message.encoding == "rgb8" else 1
    values = np.frombuffer(message.data, dtype).reshape(message.height, message.width, count)
    return values[..., 0] if count == 1 else values


def info_for(bench, width: int = 128, height: int = 64, fx: float = 100.0) -> CameraInfo:
    info = CameraInfo(header=bench.stamp(), width=width, height=height)
    info.k = [fx, 0.0, width / 2, 0.0, fx, height / 2, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, width / 2, 0.0, 0.0, fx, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def sizes(message) -> tuple[int, int]:
    if isinstance(message, CompressedImage):
        return compressed_to_rgb(message).shape[:2]
    return message.height, message.width


def test_every_output_carries_the_inputs_header_and_size(make_bench) -> None:
    bench = make_bench(depth__encoding="16UC1")
    assert bench.change("configure") and bench.change("activate")
    bench.watch(*TOPICS, "keyframe")
    bench.calibrate(info_for(bench))
    bench.connect()
    sent = [bench.image(seed, (48, 100)) for seed in range(4)]
    for image in sent:
        bench.answer(image, "motion/mask")
    bench.wait(lambda: all(len(bench.received[topic]) == 4 for topic in TOPICS))
    for topic in TOPICS:
        assert [message.header for message in bench.received[topic]] == [m.header for m in sent]
        assert {sizes(message) for message in bench.received[topic]} == {(48, 100)}
    assert bench.received["keyframe"][0] == sent[0].header


def test_values_are_those_of_perception(make_bench, tiny_model) -> None:
    bench = make_bench(depth__encoding="16UC1")
    assert bench.change("configure") and bench.change("activate")
    bench.watch(*IMAGE_TOPICS)
    assert bench.set("keyframe_policy", "every") == ""
    assert bench.set("keyframe_every", 3) == ""
    bench.connect()
    bench.node._pipeline.perception.reset(cause="activated")
    reference = Perception.load(tiny_model, device="cpu", keyframes=EveryN(3), threads=1)
    for seed in range(5):
        image = bench.image(seed)
        bench.answer(image, "motion/mask")
        frame = reference.step(pixels(image), stamp_ns=seed * 100_000_000 + 1)
        latest = {topic: pixels(bench.received[topic][-1]) for topic in IMAGE_TOPICS}
        assert (latest["segmentation/mask"] == frame.segmentation).mean() > 0.999
        np.testing.assert_allclose(latest["depth/image"], frame.depth, rtol=1e-3)
        metres, raw = latest["depth/image"], latest["depth/image_raw"]
        fits = np.isfinite(metres) & (metres < 65.535)
        assert 0.1 < fits.mean()
        assert np.abs(raw[fits] / 1000 - metres[fits]).max() <= 0.0005 + 1e-5
        assert not raw[~fits].any()
        difference = latest["segmentation/confidence"].astype(int) - frame.confidence
        assert np.abs(difference).max() <= 1
        assert (latest["motion/mask"] == frame.motion).mean() > 0.999
        assert set(np.unique(latest["motion/mask"])) <= {0, 255}
        colors = np.array([label.color for label in reference.bundle.labels], np.uint8)
        np.testing.assert_array_equal(
            latest["segmentation/color"], colors[latest["segmentation/mask"]]
        )
        mixed = (latest["segmentation/color"].astype(float) + pixels(image)) / 2
        assert np.abs(latest["segmentation/overlay"] - mixed).max() <= 1


def test_keyframe_topic_names_the_frames_of_the_slow_network(bench) -> None:
    bench.set("keyframe_policy", "every")
    bench.set("keyframe_every", 4)
    bench.watch("segmentation/mask", "keyframe")
    bench.connect()
    bench.node._pipeline.perception.reset(cause="activated")
    sent = [bench.image(seed) for seed in range(9)]
    for image in sent:
        bench.answer(image)
    bench.wait(lambda: len(bench.received["keyframe"]) >= 3)
    assert bench.received["keyframe"] == [sent[number].header for number in (0, 4, 8)]


def test_depth_scales_with_the_focal_length(bench) -> None:
    bench.watch("depth/image", "depth/camera_info")
    bench.connect()
    image = bench.image(3)

    def depth() -> np.ndarray:
        bench.node._pipeline.perception.reset(cause="activated")
        image.header = bench.stamp()
        return pixels(bench.answer(image, "depth/image"))

    def ratio(one: np.ndarray, other: np.ndarray) -> float:
        inside = np.isfinite(one) & np.isfinite(other)
        assert inside.mean() > 0.1
        return float(np.median(one[inside] / other[inside]))

    assumed = depth()
    status = bench.status("input camera", focal_length="assumed", state="waiting_camera_info")
    assert status.level == DiagnosticStatus.WARN
    assert status.message.endswith(
        "there is no depth/camera_info and the metres of depth are of a guessed scale, unless "
        "depth.focal_length_px is set"
    )
    bench.send(info_for(bench, fx=100.0))
    bench.wait(lambda: bench.node._cameras["camera"].info is not None)
    hundred = depth()
    assert bench.status("input camera", focal_length="camera_info", state="ok")
    assumed_fx = 64 / math.tan(math.radians(75 / 2))
    assert ratio(assumed, hundred) == pytest.approx(assumed_fx / 100, rel=1e-3)
    bench.send(info_for(bench, width=256, height=128, fx=300.0))
    bench.wait(lambda: bench.node._cameras["camera"].info.width == 256)
    assert ratio(depth(), hundred) == pytest.approx(1.5, rel=1e-3)
    scaled = bench.received["depth/camera_info"][-1]
    assert (scaled.width, scaled.height, scaled.k[0], scaled.p[2]) == (128, 64, 150.0, 64.0)
    assert bench.set("depth.focal_length_px", 50.0) == ""
    assert ratio(depth(), hundred) == pytest.approx(0.5, rel=1e-3)
    assert bench.status("input camera", focal_length="parameter")


def test_a_calibration_outlives_a_pause(bench) -> None:
    """A driver may send it once, and may send the image first."""
    bench.watch("depth/image")
    bench.connect()
    bench.send(info_for(bench, fx=100.0))
    bench.wait(lambda: bench.node._cameras["camera"].info is not None)
    assert bench.change("deactivate") and bench.change("activate")
    bench.connect()
    bench.answer(bench.image(), "depth/image")
    assert bench.status("input camera", focal_length="camera_info", state="ok")


def test_only_what_is_watched_is_computed(bench, monkeypatch) -> None:
    steps = watch_steps(bench, monkeypatch)
    for count in range(3):
        bench.send(bench.image())
        status = bench.status("input camera", **{"dropped.unwatched": str(count + 1)})
    assert steps == []
    assert status.level == DiagnosticStatus.OK
    bench.watch("segmentation/color")
    bench.connect()
    assert steps and steps[-1][0].tasks == {"segmentation"}
    bench.watch("depth/image")
    bench.connect()
    assert steps[-1][0].tasks == {"segmentation", "depth"}


def test_camera_info_alone_needs_no_network(bench, monkeypatch) -> None:
    steps = watch_steps(bench, monkeypatch)
    bench.watch("segmentation/camera_info")
    bench.send(info_for(bench))
    bench.wait(lambda: bench.node._cameras["camera"].info is not None)
    bench.wait(lambda: bench.node._cameras["camera"].outputs.watched())
    image = bench.image()
    info = bench.answer(image, "segmentation/camera_info")
    assert info.header == image.header
    assert info.k[0] == 100.0
    assert steps == []


def test_a_subscriber_that_comes_late_is_served(bench) -> None:
    bench.watch("segmentation/mask")
    bench.connect()
    bench.answer(bench.image())
    bench.watch("motion/mask")
    bench.connect()
    image = bench.image()
    assert bench.answer(image, "motion/mask").header == image.header


def answered(bench, camera) -> int:
    return int(as_dict(bench.status(f"input {camera}"))["answered"])


def test_two_cameras_keep_their_own_streams(make_bench, tiny_model, monkeypatch) -> None:
    bench = make_bench(cameras=["front", "left"], keyframe_policy="every", keyframe_every=3)
    assert bench.change("configure") and bench.change("activate")
    for camera in ("front", "left"):
        bench.watch(f"{camera}/segmentation/mask", f"{camera}/keyframe")
        bench.connect(camera=camera)
    bench.node._pipeline.perception.reset(cause="activated")
    steps = watch_steps(bench, monkeypatch)
    references = {
        camera: Perception.load(tiny_model, device="cpu", keyframes=EveryN(1000), threads=1)
        for camera in ("front", "left")
    }
    for number in range(6):
        for seed, camera in enumerate(("front", "left")):
            image = bench.image(10 * seed + number)
            mask = bench.answer(image, f"{camera}/segmentation/mask", camera)
            assert mask.header == image.header
            reference = references[camera]
            if steps[-1][1].is_keyframe:
                reference.request_keyframe("camera")
            frame = reference.step(pixels(image), stamp_ns=(number + 1) * 100_000_000)
            assert (pixels(mask) == frame.segmentation).mean() > 0.999
    keyframes = [frame.is_keyframe for _, frame in steps]
    # The first frame of each is one; then every third, and no two in a row.
    assert keyframes[:2] == [True, True]
    assert sum(keyframes) >= 4
    assert not any(one and next_ for one, next_ in pairwise(keyframes[2:]))
    for camera in ("front", "left"):
        bench.wait(lambda name=camera: answered(bench, name) >= 6)
        bench.status(f"input {camera}", state="ok")
