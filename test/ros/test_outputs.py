# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points, PNG, millimetres and timings over DDS, each only where somebody asks for it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from perception_bench import Bench, as_dict, watch_steps
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mila_ros.ros import outputs
from mila_ros.ros.conversions import millimetre_message, png_message
from mila_ros.ros.topics import STAGES, TIMINGS

POINT = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgb", "u4")])


def info_for(bench: Bench, width: int = 128, height: int = 64, fx: float = 100.0) -> CameraInfo:
    info = CameraInfo(header=bench.stamp(), width=width, height=height)
    info.p = [fx, 0.0, width / 2, 0.0, 0.0, 0.9 * fx, height / 3, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def decoded(message: CompressedImage) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)


def pixels(message: Image, dtype: type = np.uint8) -> np.ndarray:
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width, -1).squeeze()


def test_png_holds_every_bit() -> None:
    mask = np.random.default_rng(0).integers(0, 256, (37, 53), np.uint8)
    header = Header(frame_id="front")
    for view in (mask, mask[::-1, ::-1], mask.T, np.asfortranarray(mask)):
        message = png_message(view, header)
        assert message.header == header
        assert message.format == "mono8; png compressed "
        assert bytes(message.data[:8]) == b"\x89PNG\r\n\x1a\n"
        np.testing.assert_array_equal(decoded(message), view)


def test_millimetres_are_rounded_and_0_is_unknown() -> None:
    metres = [0.0004, 0.0006, 1.0, 2.0004, 2.0006, 65.535, 65.536, 1e9, -1.0]
    metres += [np.nan, np.inf, -np.inf]
    with np.errstate(all="raise"):
        message = millimetre_message(np.array([metres], np.float32), Header())
    assert (message.encoding, message.step, message.height) == ("16UC1", 2 * 12, 1)
    expected = [0, 1, 1000, 2000, 2001, 65535, 0, 0, 0, 0, 0, 0]
    assert np.frombuffer(message.data, np.uint16).tolist() == expected


def back_projection(depth: np.ndarray, info: CameraInfo, stride: int) -> np.ndarray:
    """Points [H, W, 3] in float64, by inverting the rectified camera's matrix."""
    inverse = np.linalg.inv(np.array(info.p, np.float64).reshape(3, 4)[:, :3])
    height, width = depth.shape
    v, u = np.mgrid[0:height:stride, 0:width:stride]
    rays = np.stack([u, v, np.ones_like(u)], -1) @ inverse.T
    z = depth[::stride, ::stride].astype(np.float64)
    return rays * np.where(np.isfinite(z), z, np.nan)[..., None]


def test_points_are_the_back_projection_of_the_depth_image(bench) -> None:
    bench.watch("depth/image", "depth/points", "depth/camera_info", "segmentation/mask")
    bench.calibrate(info_for(bench))
    bench.connect()
    for stride, size in ((1, (64, 128)), (3, (48, 100))):
        assert bench.set("depth.points_stride", stride) == ""
        image = bench.image(stride, size)
        cloud = bench.answer(image, "depth/points")
        depth = bench.answer_with(image.header, "depth/image")
        info = bench.answer_with(image.header, "depth/camera_info")
        assert cloud.header == depth.header == image.header
        values = pixels(depth, np.float32)
        assert 0.1 < np.isfinite(values).mean()
        points = np.frombuffer(cloud.data, POINT).reshape(cloud.height, cloud.width)
        assert points.shape == (-(-size[0] // stride), -(-size[1] // stride))
        found = np.stack([points[axis] for axis in "xyz"], -1)
        expected = back_projection(values, info, stride)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-5)
        red, green, blue = np.moveaxis(pixels(image)[::stride, ::stride].astype(int), -1, 0)
        np.testing.assert_array_equal(points["rgb"], red * 65536 + green * 256 + blue)


def test_points_wait_for_a_calibration_and_the_state_says_so(bench, monkeypatch) -> None:
    steps = watch_steps(bench, monkeypatch)
    bench.watch("depth/points")
    bench.wait(lambda: bench.node._cameras["camera"].outputs.watched())
    bench.send(bench.image())
    status = bench.status("input camera", state="waiting_camera_info")
    assert status.level == DiagnosticStatus.WARN
    assert "no calibration on /mila/input/camera_info, without" in status.message
    assert as_dict(status)["dropped.waiting_camera_info"] == "1"
    bench.calibrate(CameraInfo(header=bench.stamp(), width=128, height=64))
    bench.send(bench.image())
    status = bench.status("input camera", **{"dropped.waiting_camera_info": "2"})
    assert "the calibration is empty on" in status.message
    assert steps == [] and bench.received["depth/points"] == []
    assert bench.set("depth.focal_length_px", 80.0) == ""
    points = np.frombuffer(bench.answer(bench.image(), "depth/points").data, POINT)
    ratio = (points["x"] / points["z"]).reshape(64, 128)
    expected = np.broadcast_to((np.arange(128) - 63.5) / 80.0, ratio.shape)
    known = np.isfinite(ratio)
    np.testing.assert_allclose(ratio[known], expected[known], rtol=1e-5)
    bench.status("input camera", state="ok", focal_length="parameter")
    assert bench.set("depth.focal_length_px", 0.0) == ""
    bench.calibrate(info_for(bench))
    bench.answer(bench.image(), "depth/points")
    bench.status("input camera", state="ok", focal_length="camera_info")


def test_compressed_masks_are_the_masks_bit_for_bit(bench) -> None:
    names = [
        f"{task}/mask{end}" for task in ("segmentation", "motion") for end in ("", "/compressed")
    ]
    bench.watch(*names)
    bench.connect()
    for seed in range(3):
        image = bench.image(seed, (48, 100))
        bench.send(image)
        for mask, compressed in (names[:2], names[2:]):
            plain = bench.answer_with(image.header, mask)
            packed = bench.answer_with(image.header, compressed)
            assert packed.header == plain.header == image.header
            np.testing.assert_array_equal(decoded(packed), pixels(plain))
            assert plain.step == plain.width == 100 and len(plain.data) == 100 * 48


def test_a_compressed_mask_alone_is_encoded_and_nothing_else(bench, monkeypatch) -> None:
    made = []
    offered = bench.node._cameras["camera"].outputs._outputs

    def spied(output: outputs.Output) -> outputs.Output:
        return replace(
            output, make=lambda *made_of: made.append(output.topic) or output.make(*made_of)
        )

    for topic, output in offered.items():
        monkeypatch.setitem(offered, topic, spied(output))
    bench.watch("motion/mask/compressed")
    bench.connect()
    bench.answer(bench.image(), "motion/mask/compressed")
    assert set(made) == {"motion/mask/compressed"}
    made.clear()
    bench.watch("depth/points")
    bench.calibrate(info_for(bench))
    bench.connect()
    assert set(made) == {"motion/mask/compressed", "depth/points"}


def test_confidence_is_computed_for_those_who_watch_it(bench, monkeypatch) -> None:
    steps = watch_steps(bench, monkeypatch)
    bench.watch("segmentation/mask")
    bench.connect()
    bench.answer(bench.image(), "segmentation/mask")
    _, frame = steps[-1]
    assert frame.segmentation is not None and frame.confidence is None
    bench.watch("segmentation/confidence")
    bench.connect()
    image = bench.image()
    bench.send(image)
    confidence = bench.answer_with(image.header, "segmentation/confidence")
    np.testing.assert_array_equal(pixels(confidence), steps[-1][1].confidence)


def test_a_remapped_mask_takes_its_compressed_form_along(make_bench) -> None:
    bench = make_bench({"cli_args": ["--ros-args", "-r", "~/segmentation/mask:=/seg/labels"]})
    assert bench.change("configure")
    for topic, kind in (("/seg/labels", "Image"), ("/seg/labels/compressed", "CompressedImage")):
        (info,) = bench.wait(lambda name=topic: bench.client.get_publishers_info_by_topic(name))
        assert info.topic_type == f"sensor_msgs/msg/{kind}"
    assert bench.client.count_publishers("/mila/segmentation/mask/compressed") == 0


def test_raw_depth_is_there_only_when_asked_for(bench) -> None:
    assert bench.client.count_publishers("/mila/depth/image_raw") == 0
    assert "deactivate and clean up first" in bench.set("depth.encoding", "16UC1")
    assert bench.change("deactivate") and bench.change("cleanup")
    assert "takes one of 32FC1, 16UC1" in bench.set("depth.encoding", "8UC1")
    assert bench.set("depth.encoding", "16UC1") == ""
    assert bench.change("configure")
    bench.wait(lambda: bench.client.count_publishers("/mila/depth/image_raw") == 1)
    assert bench.client.count_publishers("/mila/depth/image") == 1


def test_timings_are_those_of_the_frame(bench) -> None:
    names = [timing.name for timing in TIMINGS]
    bench.watch("segmentation/mask", *names)
    bench.connect()
    bench.wait(lambda: all(bench.client.count_publishers(f"/mila/{name}") for name in names))

    def all_came() -> bool:
        image = bench.image()
        image.header.stamp = bench.client.get_clock().now().to_msg()
        bench.answer(image)
        return all(bench.received[name] for name in names)

    bench.wait(all_came)
    for messages in bench.received.values():
        messages.clear()
    for _ in range(3):
        image = bench.image()
        image.header.stamp = bench.client.get_clock().now().to_msg()
        bench.answer(image)
    bench.wait(lambda: all(len(bench.received[name]) == 3 for name in names))
    answers = bench.node._cameras["camera"].statistics.answers()[-3:]
    for number, answer in enumerate(answers):
        stages = {stage: bench.received[f"debug/stage/{stage}_ms"][number].data for stage in STAGES}
        assert stages == {stage: answer.timings_ms[stage] for stage in STAGES}
        processing_ms = bench.received["debug/processing_time_ms"][number].data
        assert processing_ms == answer.timings_ms["processing"] >= 0.99 * sum(stages.values())
        latency_ms = bench.received["debug/pipeline_latency_ms"][number].data
        assert latency_ms == answer.latency_ms >= processing_ms
        assert bench.received["debug/cyclic_time_ms"][number].data >= processing_ms


def test_timings_alone_compute_nothing_and_no_latency_is_invented(bench) -> None:
    names = [timing.name for timing in TIMINGS]
    bench.watch(*names, "keyframe")
    bench.wait(lambda: all(bench.client.count_publishers(f"/mila/{name}") for name in names))
    bench.send(bench.image())
    bench.status("input camera", **{"dropped.unwatched": "1"})
    assert not any(bench.received.values())
    bench.watch("segmentation/mask")
    bench.connect()
    bench.answer(bench.image())  # stamped in 2023
    bench.wait(lambda: bench.received["debug/processing_time_ms"])
    assert bench.received["debug/pipeline_latency_ms"] == []


@pytest.mark.parametrize("is_active", [True, False])
def test_enable_stops_and_resumes(make_bench, is_active: bool) -> None:
    bench = make_bench()
    assert bench.change("configure")
    if is_active:
        assert bench.change("activate")
        bench.watch("segmentation/mask", "keyframe")
        bench.connect()
        bench.answer(bench.image())
    response = bench.enable(False)
    assert (response.success, "not active" in response.message) == (True, not is_active)
    assert bench.enable(False).success
    if not is_active:
        assert bench.change("activate")
        bench.watch("segmentation/mask", "keyframe")
    assert bench.state() == "active"
    bench.status("input camera", state="disabled")
    bench.wait(lambda: bench.client.count_subscribers("/mila/input/image") == 0)
    before = len(bench.received["segmentation/mask"])
    assert bench.enable(True).success
    bench.connect()
    image = bench.image()
    assert bench.answer(image).header == image.header
    assert before == int(is_active)
    bench.status("input camera", state="ok")
    if is_active:
        bench.status("input camera", **{"resets.activated": "1"})


def test_parameters_take_effect_with_the_next_frame(bench) -> None:
    bench.watch("segmentation/overlay", "segmentation/color", "segmentation/mask")
    bench.connect()
    image = bench.image(1)
    for alpha in (0.0, 1.0):
        assert bench.set("segmentation.overlay_alpha", alpha) == ""
        image.header = bench.stamp()
        overlay = bench.answer(image, "segmentation/overlay")
        color = bench.answer_with(image.header, "segmentation/color")
        assert overlay.data == (color.data if alpha else image.data)
    assert bench.set("max_image_pixels", 100) == ""
    bench.send(bench.image())
    bench.status("input camera", **{"dropped.rejected.too_large": "1"})
    assert bench.set("max_image_pixels", 8192) == ""
    bench.answer(bench.image())
    for name, value in (("depth.points_stride", 0), ("segmentation.overlay_alpha", 1.5)):
        assert bench.set(name, value) != ""
    assert bench.set("diagnostics.max_allowed_processing_time_ms", 0.001) == ""
    assert bench.set("diagnostics.max_acceptable_consecutive_delay_ms", 0.0) == ""
    bench.answer(bench.image())
    status = bench.status("processing", is_processing_time_ms_in_expected_range="False")
    assert status.level == DiagnosticStatus.ERROR
    assert bench.set("diagnostics.max_acceptable_consecutive_delay_ms", 1e6) == ""
    bench.status("processing", is_consecutive_processing_delay_in_range="True")
    assert bench.set("diagnostics.max_allowed_processing_time_ms", 0.0) == ""
    bench.answer(bench.image())
    bench.status("processing", is_processing_time_ms_in_expected_range="True")
