# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera publishes every frame of its source, exactly and in time, and ends as it should."""

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mila_ros.data.bags import BagWriter
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.frames import SourceError
from mila_ros.ros.camera_node import CameraNode

SIZE = (24, 32)
K = np.array([[50.0, 0, 15], [0, 51, 11], [0, 0, 1]])
RELIABLE = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.RELIABLE)

pytestmark = pytest.mark.usefixtures("ros_domain")


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture
def clip(tmp_path):
    with ClipWriter(
        tmp_path / "clip", fps=50.0, intrinsics=K, frame_id="front", jpeg_quality=None
    ) as writer:
        for index in range(5):
            writer.add(picture(index))
    return tmp_path / "clip"


def stamp_ns(message):
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def play(source, *, until=None, topics=(("image_raw", Image), ("camera_info", CameraInfo)), **set_):
    """Run a camera until it ends, or ``until(messages)``; return what came by topic."""
    args = ["--ros-args", "-p", f"source:={source}", "-p", "wait_for_subscribers:=1"]
    # The camera waits for the image's subscriber alone; the others match within the delay.
    args += ["-p", f"start_delay:={set_.pop('start_delay', 0.2)}"]
    for name, value in set_.items():
        args += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
    rclpy.init(args=args)
    try:
        listener = rclpy.create_node("listener", use_global_arguments=False)
        messages = {topic: [] for topic, _ in topics}
        for topic, kind in topics:
            listener.create_subscription(kind, topic, messages[topic].append, RELIABLE)
        camera = CameraNode()
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        executor.add_node(camera)
        end = time.monotonic() + 20
        try:
            while until is None or not until(messages):
                assert time.monotonic() < end, "the camera does not end"
                executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            assert until is None, "the camera ended too early"
            executor.remove_node(camera)
            for _ in range(20):  # what has arrived, but was not taken yet
                executor.spin_once(timeout_sec=0.005)
        finally:
            camera.destroy_node()
            listener.destroy_node()
        return messages
    finally:
        rclpy.shutdown()


def test_every_frame_comes_pixel_exact_with_its_calibration(clip):
    before = time.time_ns()
    messages = play(clip)
    images, infos = messages["image_raw"], messages["camera_info"]
    assert len(images) == len(infos) == 5
    for index, (image, info) in enumerate(zip(images, infos, strict=True)):
        assert (image.encoding, image.height, image.width, image.step) == ("rgb8", 24, 32, 96)
        np.testing.assert_array_equal(
            np.asarray(image.data).reshape(*SIZE, 3), picture(index), strict=True
        )
        assert image.header == info.header and image.header.frame_id == "front"
        assert list(info.k) == K.ravel().tolist()
        assert list(info.p) == [50, 0, 15, 0, 0, 51, 11, 0, 0, 0, 1, 0]
        assert (info.width, info.height, info.distortion_model) == (32, 24, "plumb_bob")
    stamps = [stamp_ns(image) for image in images]
    assert before < stamps[0] and stamps[-1] < time.time_ns()
    assert np.all(np.diff(stamps) > 0)


def test_frames_keep_the_given_rate(clip):
    images = play(clip, rate=20.0)["image_raw"]
    intervals = np.diff([stamp_ns(image) for image in images]) / 1e6
    assert len(intervals) == 4
    assert np.median(intervals) == pytest.approx(50, abs=5)
    assert intervals.sum() >= 190, "the last frame comes no earlier than it is due"


def test_bgr8_and_a_frame_id_of_ones_own(clip):
    images = play(clip, encoding="bgr8", frame_id="rear")["image_raw"]
    assert {(image.encoding, image.header.frame_id) for image in images} == {("bgr8", "rear")}
    np.testing.assert_array_equal(
        np.asarray(images[3].data).reshape(*SIZE, 3)[..., ::-1], picture(3)
    )


def test_compressed_files_go_out_as_they_are(clip):
    topics = (("image_raw/compressed", CompressedImage), ("camera_info", CameraInfo))
    messages = play(clip, transport="compressed", topics=topics)
    images = messages["image_raw/compressed"]
    assert len(images) == len(messages["camera_info"]) == 5
    for index, image in enumerate(images):
        assert image.format == "png"
        assert bytes(image.data) == (clip / f"image/{index:06d}.png").read_bytes()
        assert image.header.frame_id == "front"


def test_compressed_follows_the_remapping_of_image_raw(clip, monkeypatch):
    init = rclpy.init
    monkeypatch.setattr(rclpy, "init", lambda args: init(args=[*args, "-r", "image_raw:=/a/b"]))
    topics = (("/a/b/compressed", CompressedImage),)
    assert len(play(clip, transport="compressed", topics=topics)["/a/b/compressed"]) == 5


def test_a_video_is_published_raw_and_compressed_as_jpeg(tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50, SIZE[::-1])
    for index in range(4):
        writer.write(np.full((*SIZE, 3), (200, 100, 60 * index), np.uint8))
    writer.release()
    raw = play(path)
    reds = [int(np.median(np.asarray(image.data)[::3])) for image in raw["image_raw"]]
    assert np.abs(np.array(reds) - (0, 60, 120, 180)).max() < 12
    info = raw["camera_info"][0]
    assert set(info.k) == set(info.p) == {0.0}, "zeros say that the camera is not calibrated"
    assert (info.width, info.height) == (32, 24)
    assert raw["image_raw"][0].header.frame_id == "camera_optical"
    topics = (("image_raw/compressed", CompressedImage),)
    images = play(path, transport="compressed", topics=topics)["image_raw/compressed"]
    assert len(images) == 4 and {image.format for image in images} == {"jpeg"}
    decoded = cv2.imdecode(np.asarray(images[3].data), cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - (200, 100, 180)).max() < 12


def test_loop_goes_on_with_increasing_stamps_at_the_same_pace(clip):
    images = play(clip, loop=True, until=lambda m: len(m["image_raw"]) >= 12)["image_raw"]
    for index, image in enumerate(images):
        np.testing.assert_array_equal(np.asarray(image.data).reshape(*SIZE, 3), picture(index % 5))
    intervals = np.diff([stamp_ns(image) for image in images]) / 1e6
    assert np.all(intervals > 0)
    assert np.median(intervals) == pytest.approx(20, abs=5)
    assert intervals[4] > 10 and intervals[9] > 10, "no two frames together where it starts again"


def test_original_stamps_of_a_clip_and_of_its_second_loop(clip):
    images = play(clip, stamps="original", loop=True, until=lambda m: len(m["image_raw"]) >= 7)[
        "image_raw"
    ]
    step = 20_000_000
    assert [stamp_ns(image) for image in images[:7]] == [step * n for n in (1, 2, 3, 4, 5, 1, 2)]


def test_a_bag_is_published_with_its_own_stamps_frame_and_times(tmp_path):
    times = [1_700_000_000_000_000_007 + 1_000_000 * ms for ms in (0, 60, 180)]
    with BagWriter(tmp_path / "bag") as writer:
        types = writer._typestore.types
        writer.add_topic("/left/image_raw", "sensor_msgs/msg/Image")
        for index, at in enumerate(times):
            time_type, header_type = (
                types[name] for name in ("builtin_interfaces/msg/Time", "std_msgs/msg/Header")
            )
            header = header_type(time_type(at // 10**9, at % 10**9), "left_optical")
            data = picture(index).ravel()
            message = types["sensor_msgs/msg/Image"](header, 24, 32, "rgb8", 0, 96, data)
            writer.write("/left/image_raw", at, writer.serialize(message))
    received = []
    start = time.monotonic()
    images = play(
        tmp_path / "bag",
        stamps="original",
        until=lambda m: (
            received.append((len(m["image_raw"]), time.monotonic() - start))
            or len(m["image_raw"]) == 3
        ),
    )["image_raw"]
    assert [stamp_ns(image) for image in images] == times
    assert {image.header.frame_id for image in images} == {"left_optical"}
    first = next(at for count, at in received if count == 1)
    third = next(at for count, at in received if count == 3)
    assert 0.15 < third - first < 0.5


def test_no_frame_goes_out_before_a_subscriber_is_there(clip):
    rclpy.init(args=["--ros-args", "-p", f"source:={clip}", "-p", "wait_for_subscribers:=1"])
    try:
        camera = CameraNode()
        executor = SingleThreadedExecutor()
        executor.add_node(camera)
        for _ in range(10):
            executor.spin_once(timeout_sec=0.05)  # would raise at the end of the source
        listener = rclpy.create_node("listener", use_global_arguments=False)
        images = []
        listener.create_subscription(Image, "image_raw", images.append, RELIABLE)
        executor.add_node(listener)
        with pytest.raises(ExternalShutdownException):
            for _ in range(1000):
                executor.spin_once(timeout_sec=0.1)
        assert len(images) == 5
        camera.destroy_node()
        listener.destroy_node()
    finally:
        rclpy.shutdown()


def test_a_damaged_frame_ends_the_camera_naming_the_file(clip):
    (clip / "image/000003.png").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="000003.png cannot be read"):
        play(clip)


def run(*parameters, **options):
    args = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "mila_ros.ros.camera_node", "--ros-args", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ([], "The parameter source is empty: say what to publish"),
        (["source:=/nowhere/at/all"], "/nowhere/at/all does not exist"),
        (["source:=.", "transport:=theora"], "parameter transport is 'theora'"),
        (["source:=.", "rate:=5"], "parameter rate is refused"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_1(parameters, sentence):
    process = run(*parameters)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert sentence in err and len(err.strip().splitlines()) == 1, err


def test_the_end_of_the_source_is_status_0_and_said(clip):
    process = run(f"source:={clip}")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "5 frames of 32x24" in err and "ended after 5 frames" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_status_0(clip, number):
    process = run(f"source:={clip}", "loop:=true")
    assert "Publishing clip" in process.stderr.readline()
    os.kill(process.pid, number)
    start = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err
    assert time.monotonic() - start < 2.5
