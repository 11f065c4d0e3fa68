# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated bag reads like one of a camera, with the truth beside it."""

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mila_ros.data.frame_sources import open_source
from mila_ros.simulation.bag import DEPTH, IMAGE, INFO, MASK, MOTION, POSE, TOPICS
from mila_ros.simulation.dataset import Recipe, write_clip
from mila_ros.simulation.simulator import Simulator

RECIPE = Recipe("street", 3, 10.0, 96, 48, "cityscapes19", format="bag")


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_clip(RECIPE, 7, tmp_path_factory.mktemp("bags"))


@pytest.fixture(scope="module")
def truth():
    with Simulator("street", 7, width=96, height=48, fps=10.0) as simulator:
        yield list(simulator.frames(3)), simulator.opencv_intrinsics


def test_every_topic_holds_what_was_simulated(bag, truth):
    frames, intrinsics = truth
    with AnyReader([bag]) as reader:
        found = {topic: [] for topic in TOPICS}
        for connection, at_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp
            assert stamp.sec * 1_000_000_000 + stamp.nanosec == at_ns
            found[connection.topic].append((at_ns, message))
    for topic, messages in found.items():
        assert [at for at, _ in messages] == [1_000_000_000, 1_100_000_000, 1_200_000_000], topic
    for index, frame in enumerate(frames):
        one = {topic: messages[index][1] for topic, messages in found.items()}
        assert one[IMAGE].encoding == "rgb8" and one[DEPTH].encoding == "32FC1"
        assert one[MASK].encoding == one[MOTION].encoding == "mono8"
        np.testing.assert_array_equal(one[IMAGE].data.reshape(48, 96, 3), frame.image)
        np.testing.assert_array_equal(one[MASK].data.reshape(48, 96), frame.labels.label)
        np.testing.assert_array_equal(
            one[DEPTH].data.view(np.float32).reshape(48, 96), frame.labels.depth
        )
        np.testing.assert_array_equal(one[MOTION].data.reshape(48, 96), frame.labels.motion * 255)
        np.testing.assert_allclose(one[INFO].k.reshape(3, 3), intrinsics)
        place = one[POSE].pose.position
        np.testing.assert_allclose([place.x, place.y, place.z], frame.pose.camera[:3, 3])


def test_it_is_a_source_of_frames(bag, truth):
    source = open_source(str(bag), topic=IMAGE)
    frames = list(source)
    assert len(frames) == 3 and source.calibration.width == 96
    np.testing.assert_array_equal(frames[2].pixels, truth[0][2].image)
