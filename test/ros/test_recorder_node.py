# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the recorder leaves behind is what went over the topics."""

import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from helpers import make_tiny_bundle
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mila_ros.data.frame_sources import open_source
from mila_ros.ros.conversions import depth_message, mask_message, rgb_message
from mila_ros.ros.recorder_node import RecorderNode
from mila_ros.ros.stamps import header_stamp_ns

SIZE = (48, 64)
RELIABLE = QoSProfile(depth=50, reliability=QoSReliabilityPolicy.RELIABLE)
AMBER = (255, 196, 0)
ANSWERS = ("segmentation/mask", "segmentation/confidence", "depth/image", "motion/mask")

pytestmark = pytest.mark.usefixtures("ros_domain")


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def mask(index):
    return np.full(SIZE, index % 5, np.uint8)


class Graph:
    """A recorder, with a camera and a perception node that a test plays."""

    def __init__(self, directory, parameters):
        args = ["--ros-args", "-p", f"output:={directory}"]
        for name, value in parameters.items():
            args += ["-p", f"{name}:={value}"]
        rclpy.init(args=args)
        self.directory = directory
        self.recorder = RecorderNode()
        self.others = rclpy.create_node("others", use_global_arguments=False)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.recorder)
        self.executor.add_node(self.others)
        is_raw = parameters.get("transport") != "compressed"
        image = (Image, "image_raw") if is_raw else (CompressedImage, "image_raw/compressed")
        self.publishers = {
            "image": self.publish_to(*image),
            "camera_info": self.publish_to(CameraInfo, "camera_info"),
            "keyframe": self.publish_to(Header, "mila/keyframe"),
            "diagnostics": self.publish_to(DiagnosticArray, "/diagnostics"),
            **{name: self.publish_to(Image, f"mila/{name}") for name in ANSWERS},
        }
        self.spin_until(
            lambda: (
                all(p.get_subscription_count() for p in self.publishers.values())
                and self.recorder.count_publishers("mila/keyframe")
            )
        )

    def publish_to(self, kind, topic):
        return self.others.create_publisher(kind, topic, RELIABLE)

    def spin_until(self, condition, timeout_s=10.0):
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds):
        end = time.monotonic() + seconds
        self.spin_until(lambda: time.monotonic() > end)

    def now(self):
        return Header(stamp=self.others.get_clock().now().to_msg(), frame_id="front")

    def frame(self, index, *, is_keyframe=False, answer_after_s=0.02):
        header = self.now()
        self.publishers["image"].publish(rgb_message(picture(index), header))
        self.publishers["camera_info"].publish(CameraInfo(header=header))
        if answer_after_s is None:
            return
        self.spin_for(answer_after_s)
        depth = np.full(SIZE, 3.0 + index, np.float32)
        motion = np.zeros(SIZE, np.uint8)
        motion[:24] = 255
        for name, message in {
            "segmentation/mask": mask_message(mask(index), header),
            "segmentation/confidence": mask_message(mask(7), header),
            "depth/image": depth_message(depth, header),
            "motion/mask": mask_message(motion, header),
        }.items():
            self.publishers[name].publish(message)
        if is_keyframe:
            self.publishers["keyframe"].publish(header)

    def counted(self, topic):
        return self.recorder.summary()["messages"].get(topic, 0)

    def close(self):
        if self.recorder is not None:
            self.recorder.destroy_node()
            self.others.destroy_node()
            self.recorder = None
            rclpy.shutdown()
        return json.loads((self.directory / "summary.json").read_text())


@pytest.fixture
def make_graph():
    graphs = []

    def make(directory, **parameters):
        graphs.append(Graph(directory, parameters))
        return graphs[-1]

    yield make
    for graph in graphs:
        graph.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("model") / "tiny")


def pictures(directory):
    return {path.name: cv2.imread(str(path))[..., ::-1] for path in sorted(directory.glob("*.png"))}


def test_frames_under_way_are_not_called_dropped(tmp_path, model, make_graph, capfd):
    """Before diagnostics that are newer than they are, nobody knows."""
    graph = make_graph(tmp_path / "out", model=model, report="json", bag="false")

    def reported():
        capfd.readouterr()
        graph.recorder._report()
        return json.loads(capfd.readouterr().out)

    def diagnose(count):
        values = [KeyValue(key="received", value="0")]
        status = DiagnosticStatus(hardware_id="mila_ros", values=values)
        graph.publishers["diagnostics"].publish(DiagnosticArray(status=[status]))
        graph.spin_until(lambda: graph.counted("diagnostics") == count)

    diagnose(1)
    for index in range(2):
        graph.frame(index, answer_after_s=None)
    graph.spin_until(lambda: graph.counted("image") == 2)
    report = reported()
    assert (report["is_settled"], report["dropped"]) == (False, 0)
    diagnose(2)
    report = reported()
    assert (report["is_settled"], report["dropped"]) == (True, 2)


def test_a_recording_has_every_message_the_figures_and_a_picture(
    tmp_path, model, make_graph, capfd
):
    graph = make_graph(tmp_path / "out", model=model, report="json")
    for index in range(6):
        graph.frame(index, is_keyframe=index in (0, 3))
    graph.frame(6, answer_after_s=None)
    values = [KeyValue(key="received", value="7"), KeyValue(key="dropped.replaced", value="1")]
    graph.spin_until(lambda: graph.counted("motion/mask") == 6 and graph.counted("image") == 7)
    graph.publishers["diagnostics"].publish(
        DiagnosticArray(status=[DiagnosticStatus(hardware_id="mila_ros", values=values)])
    )
    graph.spin_until(lambda: graph.counted("diagnostics") == 1)
    graph.spin_until(lambda: "true" in capfd.readouterr().out.split('"is_settled": ')[-1][:4])
    graph.spin_until(lambda: list(graph.directory.glob("*.png")))
    summary = graph.close()

    assert summary["frames_in"] == 7
    assert summary["frames_out"] == dict.fromkeys(ANSWERS, 6)
    assert summary["dropped"] == {"replaced": 1, "not_received": 0}
    assert summary["keyframes"] == 2
    assert summary["messages"]["camera_info"] == 7
    assert 20 <= summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"] < 500
    assert summary["latency_ms"]["p50"] <= summary["received_latency_ms"]["p50"]
    assert summary["latency_ms_is"].startswith("header stamp to publication")

    bag = tmp_path / "out/bag"
    with Reader(bag) as reader:
        definitions = {c.topic: (c.msgtype, c.msgdef.data) for c in reader.connections}
        assert {c.topic: c.msgcount for c in reader.connections}["/mila/depth/image"] == 6
    assert definitions["/image_raw"][0] == "sensor_msgs/msg/Image"
    assert "uint8[] data" in definitions["/image_raw"][1]
    assert "MSG: std_msgs/Header" in definitions["/image_raw"][1]
    for index, frame in enumerate(open_source(bag, topic="/image_raw")):
        np.testing.assert_array_equal(frame.rgb(), picture(index))
    with AnyReader([bag]) as reader:
        topics = reader.topics
        read = {
            topic: [reader.deserialize(data, c.msgtype) for c, _, data in
                    reader.messages(topics[topic].connections)]
            for topic in ("/image_raw", "/mila/segmentation/mask", "/mila/depth/image")
        }  # fmt: skip
    for index, (image, answer, depth) in enumerate(
        zip(*(messages[:6] for messages in read.values()), strict=True)
    ):
        assert image.header.stamp == answer.header.stamp == depth.header.stamp
        assert answer.header.frame_id == "front"
        np.testing.assert_array_equal(answer.data.reshape(SIZE), mask(index))
        assert (depth.data.view(np.float32) == 3.0 + index).all()

    drawn = pictures(tmp_path / "out")
    assert "frame_000000.png" in drawn
    sheet = drawn["frame_000000.png"]
    assert sheet.shape[1] > 1200, "two panels of 640 in a row"
    assert (sheet[0] == AMBER).all(), "the first frame was a keyframe"


def test_a_picture_comes_once_a_period_and_only_of_answered_frames(tmp_path, make_graph):
    graph = make_graph(tmp_path / "out", picture_period_s=0.5, bag="false", report="none")
    graph.frame(0, answer_after_s=None)
    graph.spin_for(0.05)
    start = time.monotonic()
    index = 1
    while time.monotonic() - start < 1.7:
        graph.frame(index, answer_after_s=0.05)
        index += 1
    graph.close()
    numbers = [int(name[6:12]) for name in pictures(tmp_path / "out")]
    assert 0 < numbers[0] < 6, "frame 0 had no answer"
    assert 3 <= len(numbers) <= 4
    assert not (tmp_path / "out/bag").exists()


def test_compressed_images_are_recorded_and_drawn(tmp_path, make_graph):
    graph = make_graph(tmp_path / "out", transport="compressed")
    header = graph.now()
    data = cv2.imencode(".png", picture(0)[..., ::-1])[1].tobytes()
    graph.publishers["image"].publish(CompressedImage(header=header, format="png", data=data))
    graph.spin_until(lambda: graph.counted("image") == 1)
    graph.publishers["segmentation/mask"].publish(mask_message(mask(1), header))
    graph.spin_until(lambda: graph.counted("segmentation/mask") == 1)
    summary = graph.close()
    assert summary["frames_in"] == 1
    (frame,) = open_source(tmp_path / "out/bag", topic="/image_raw/compressed")
    assert frame.encoded == data
    assert list(pictures(tmp_path / "out")) == ["frame_000000.png"]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_stamp_is_read_off_the_serialised_header(sign):
    from rclpy.serialization import serialize_message

    image = rgb_message(picture(0), Header())
    image.header.stamp.sec, image.header.stamp.nanosec = sign * 1_700_000_001, 999_999_999
    expected = sign * 1_700_000_001 * 10**9 + 999_999_999
    assert header_stamp_ns(serialize_message(image)) == expected
    header = Header(stamp=image.header.stamp, frame_id="x")
    assert header_stamp_ns(serialize_message(header)) == expected


def run(*parameters):
    args = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "mila_ros.ros.recorder_node", "--ros-args", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_recording_is_not_written_over(tmp_path):
    (tmp_path / "bag").mkdir()
    process = run(f"output:={tmp_path}")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "holds a recording already; name another folder" in err
    assert len(err.strip().splitlines()) == 1


def test_an_unknown_model_is_named(tmp_path):
    process = run(f"output:={tmp_path}/out", "model:=no_such_model")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and "no model 'no_such_model'" in err
    assert not (tmp_path / "out").exists(), "nothing is left behind"


def test_a_signal_completes_bag_and_summary_and_is_status_0(tmp_path):
    process = run(f"output:={tmp_path}/out", "report:=text")
    line = process.stdout.readline()
    assert line.startswith("in 0 (0.0 Hz)   out 0 (0.0 Hz)   latency n/a")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert json.loads((tmp_path / "out/summary.json").read_text())["frames_in"] == 0
    with Reader(tmp_path / "out/bag") as reader:
        assert reader.message_count == 0 and not reader.connections
