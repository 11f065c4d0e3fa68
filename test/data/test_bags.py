# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind give their images; what is written is read by any reader."""

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from mila_ros.data.bags import BagWriter, is_bag
from mila_ros.data.frame_sources import open_source
from mila_ros.data.frames import SourceError

ROS1, ROS2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
K = [50.0, 0, 31, 0, 51, 23, 0, 0, 1]
SIZE = (6, 8)


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def header(store, stamp_ns):
    time = store.types["builtin_interfaces/msg/Time"](
        sec=stamp_ns // SECOND, nanosec=stamp_ns % SECOND
    )
    fields = {"stamp": time, "frame_id": "front_optical"}
    if store is ROS1:
        fields["seq"] = 0
    return store.types["std_msgs/msg/Header"](**fields)


def image(store, index, stamp_ns, encoding="rgb8"):
    pixels = picture(index)[..., :: 1 if encoding == "rgb8" else -1]
    return store.types["sensor_msgs/msg/Image"](
        header=header(store, stamp_ns), height=SIZE[0], width=SIZE[1], encoding=encoding,
        is_bigendian=0, step=SIZE[1] * 3, data=np.ascontiguousarray(pixels).ravel(),
    )  # fmt: skip


def compressed(store, index, stamp_ns, format_="png"):
    data = cv2.imencode(".png", picture(index)[..., ::-1])[1].ravel()
    return store.types["sensor_msgs/msg/CompressedImage"](
        header=header(store, stamp_ns), format=format_, data=data
    )


def camera_info(store, stamp_ns):
    case = str.upper if store is ROS1 else str.lower
    matrices = {
        case("d"): np.arange(5.0), case("k"): np.array(K), case("r"): np.eye(3).ravel(),
        case("p"): np.arange(12.0),
    }  # fmt: skip
    roi = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return store.types["sensor_msgs/msg/CameraInfo"](
        header=header(store, stamp_ns), height=SIZE[0], width=SIZE[1],
        distortion_model="plumb_bob", binning_x=0, binning_y=0, roi=roi, **matrices,
    )  # fmt: skip


def write_bag(path, topics, kind="mcap"):
    """Write messages, given as {topic: [(time_ns, message)]}, and return what to open."""
    store = ROS1 if kind == "ros1" else ROS2
    if kind == "ros1":
        path = path.with_suffix(".bag")
        writer = Writer1(path)
    else:
        plugin = StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
        writer = Writer(path, version=8, storage_plugin=plugin)
    serialize = store.serialize_ros1 if kind == "ros1" else store.serialize_cdr
    with writer:
        for topic, messages in topics.items():
            kind_of = messages[0][1].__msgtype__ if messages else "sensor_msgs/msg/Image"
            connection = writer.add_connection(topic, kind_of, typestore=store)
            for time_ns, message in messages:
                writer.write(connection, time_ns, serialize(message, kind_of))
    return path


@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "ros1"])
def test_images_stamps_times_and_calibration_of_every_kind_of_bag(tmp_path, kind):
    store = ROS1 if kind == "ros1" else ROS2
    times = [T0, T0 + 70_000_000, T0 + 200_000_000]
    messages = [
        (at + 5_000_000, image(store, n, at, "bgr8" if n else "rgb8")) for n, at in enumerate(times)
    ]
    info = [(T0, camera_info(store, T0))]
    bag = write_bag(
        tmp_path / "bag", {"/front/image_raw": messages, "/front/camera_info": info}, kind
    )
    assert is_bag(bag)
    source = open_source(bag)
    assert source.rate_hz is None and source.frame_id == "front_optical"
    assert "topic /front/image_raw" in source.name
    assert source.calibration.k == tuple(K)
    assert source.calibration.d == (0, 1, 2, 3, 4)
    assert source.calibration.p == tuple(range(12))
    assert (source.calibration.width, source.calibration.height) == SIZE[::-1]
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == times
    assert [frame.time_ns for frame in frames] == [0, 70_000_000, 200_000_000]
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb(), picture(frame.index))
    assert [f.time_ns for f in open_source(bag, rate_hz=10)] == [0, 100_000_000, 200_000_000]


@pytest.mark.parametrize("suffix", ["mcap", "db3"])
def test_the_storage_file_alone_is_a_bag_too(tmp_path, suffix):
    kind = "mcap" if suffix == "mcap" else "sqlite3"
    bag = write_bag(tmp_path / "bag", {"/image": [(T0, image(ROS2, 0, T0))]}, kind)
    (frame,) = open_source(bag / f"bag.{suffix}")
    np.testing.assert_array_equal(frame.rgb(), picture(0))


def test_compressed_images_are_passed_on_as_they_are(tmp_path):
    message = compressed(ROS2, 3, T0)
    bag = write_bag(tmp_path / "bag", {"/cam/image_raw/compressed": [(T0, message)]})
    (frame,) = open_source(bag)
    assert frame.format == "png" and frame.encoded == message.data.tobytes()
    np.testing.assert_array_equal(frame.rgb(), picture(3))


def test_swapped_channels_of_image_transport_are_decoded_not_passed_on(tmp_path):
    message = compressed(ROS2, 3, T0, "rgb8; png compressed rgb8")
    (frame,) = open_source(write_bag(tmp_path / "bag", {"/cam/compressed": [(T0, message)]}))
    assert frame.encoded is None
    np.testing.assert_array_equal(frame.rgb(), picture(3)[..., ::-1])


def test_a_compressed_topic_finds_the_camera_info_beside_its_raw_one(tmp_path):
    topics = {
        "/cam/image_raw/compressed": [(T0, compressed(ROS2, 0, T0))],
        "/cam/camera_info": [(T0, camera_info(ROS2, T0))],
    }
    assert open_source(write_bag(tmp_path / "bag", topics)).calibration.k == tuple(K)


def test_an_image_without_a_stamp_has_the_time_of_recording(tmp_path):
    bag = write_bag(tmp_path / "bag", {"/image": [(T0, image(ROS2, 0, 0))]})
    assert [frame.stamp_ns for frame in open_source(bag)] == [T0]


def test_several_image_topics_must_be_chosen_from(tmp_path):
    topics = {
        "/left": [(T0, image(ROS2, 1, T0))],
        "/right": [(T0, image(ROS2, 2, T0)), (T0 + 1, image(ROS2, 3, T0))],
        "/empty": [],
    }
    bag = write_bag(tmp_path / "bag", topics)
    with pytest.raises(SourceError, match=r"several image topics; name one of /left .1., /right"):
        open_source(bag)
    with pytest.raises(SourceError, match=r"no image topic /top; it has /left .1., /right .2."):
        open_source(bag, topic="/top")
    frames = list(open_source(bag, topic="/right"))
    assert len(frames) == 2
    np.testing.assert_array_equal(frames[1].rgb(), picture(3))


def test_a_bag_without_images_is_said(tmp_path):
    bag = write_bag(tmp_path / "bag", {"/cam/camera_info": [(T0, camera_info(ROS2, T0))]})
    with pytest.raises(SourceError, match="has no messages of sensor_msgs Image"):
        open_source(bag)


@pytest.mark.parametrize("name", ["bag.mcap", "bag.db3", "bag.bag", "folder"])
def test_a_damaged_bag_is_said_in_one_line(tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        (path / "metadata.yaml").write_text("rosbag2_bagfile_information: 5")
    else:
        path.write_bytes(b"nonsense" * 100)
    with pytest.raises(SourceError, match=f"{name} cannot be read: ") as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_image_is_named_by_topic_and_number(tmp_path):
    broken = image(ROS2, 0, T0)
    broken.step = 5
    bag = write_bag(tmp_path / "bag", {"/image": [(T0, image(ROS2, 0, T0)), (T0 + 1, broken)]})
    with pytest.raises(SourceError, match="message 1 of topic /image in .* cannot be read"):
        list(open_source(bag))


def test_what_the_writer_writes_any_reader_reads_with_its_types(tmp_path):
    message = image(ROS2, 4, T0)
    float64 = ROS2.types["std_msgs/msg/Float64"](data=2.5)
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/image", "sensor_msgs/msg/Image")
        writer.add_topic("/latency", "std_msgs/msg/Float64")
        writer.write("/image", T0 + 1, writer.serialize(message))
        writer.write("/latency", T0 + 2, writer.serialize(float64))
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 2
        definitions = {c.msgtype: c.msgdef.data for c in reader.connections}
    assert "MSG: std_msgs/Header" in definitions["sensor_msgs/msg/Image"]
    assert "float64 data" in definitions["std_msgs/msg/Float64"]
    with AnyReader([tmp_path / "bag"]) as reader:
        read = [(c.topic, at, reader.deserialize(d, c.msgtype)) for c, at, d in reader.messages()]
    assert [(topic, at) for topic, at, _ in read] == [("/image", T0 + 1), ("/latency", T0 + 2)]
    assert read[0][2].header.stamp.sec == T0 // SECOND and read[1][2].data == 2.5
    assert read[0][2].header.frame_id == "front_optical"
    np.testing.assert_array_equal(read[0][2].data, message.data)
    (frame,) = open_source(tmp_path / "bag")
    np.testing.assert_array_equal(frame.rgb(), picture(4))


def test_the_writer_overwrites_no_bag(tmp_path):
    with pytest.raises(SourceError, match="cannot be written: .* exists already"):
        BagWriter(tmp_path)


def test_a_missing_rosbags_is_one_sentence_with_the_mend(tmp_path, monkeypatch):
    bag = write_bag(tmp_path / "bag", {"/image": [(T0, image(ROS2, 0, T0))]})
    monkeypatch.setitem(__import__("sys").modules, "rosbags.highlevel", None)
    with pytest.raises(SourceError, match="not installed; run: pip install rosbags"):
        open_source(bag)
