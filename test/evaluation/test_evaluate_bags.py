# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag gives the figures of the clip that it was made from, and says what it lacks."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from evaluation_bench import CLASSES, evaluate, make_clip
from helpers import make_tiny_bundle

from mila_ros.data.bag_messages import DEPTH, IMAGE, MASK, MessageFactory
from mila_ros.data.bags import BagWriter
from mila_ros.data.clip_to_bag import write_clip_bag
from mila_ros.errors import MilaError
from mila_ros.evaluation.bag_sources import open_bag_source
from mila_ros.streaming import Perception

TYPE = "sensor_msgs/msg/Image"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clips") / "clip", frames=4)


def figures(document):
    """What was measured, without the names of what it was measured on."""
    results = document["results"]
    return {
        name: {kind: value for kind, value in result.items() if kind != "by_source"}
        for name, result in results.items()
    }


def write_bag(path, messages):
    """A bag of Images: topic, stamp and recording in tenths of a second, encoding and pixels."""
    factory = MessageFactory()
    with BagWriter(path) as writer:
        for topic in dict.fromkeys(message[0] for message in messages):
            writer.add_topic(topic, TYPE)
        for topic, stamp, recorded, encoding, pixels in messages:
            header = factory.header(round(stamp * 1e8), "camera")
            data = factory.serialized(factory.image(header, encoding, pixels))
            writer.write(topic, round(recorded * 1e8), data)
    return path


def test_a_bag_gives_what_its_clip_gives(bundle, clip, tmp_path):
    list(write_clip_bag(clip, tmp_path / "bag"))
    words = ("--model", bundle, "--keyframe-every", 2, "--json", tmp_path / "r")
    from_clip = evaluate(*words, "--clips", clip.path)
    from_bag = evaluate(*words, tmp_path / "bag")
    assert figures(from_bag) == figures(from_clip)
    assert from_clip["results"]["keyframe_every_2"]["all"]["depth/rel_error"] > 0


def test_depth_of_a_lidar_is_projected(bundle, clip, tmp_path):
    messages = write_clip_bag(clip, tmp_path / "points", has_points=True)
    assert len(list(messages)) == 4
    source = open_bag_source(tmp_path / "points", CLASSES)
    # With the depth image left out, what the points give is the same map.
    points = replace(source, truth_topics=("/lidar/points",))
    for frame, depth in zip(points.frames(), source.frames(), strict=True):
        np.testing.assert_allclose(frame.truth.depth, depth.truth.depth, rtol=1e-5)
        assert np.isfinite(frame.truth.depth).mean() > 0.7


def test_truth_is_found_by_stamp_wherever_it_was_recorded(clip, tmp_path):
    masks = [np.full((64, 128), number, np.uint8) for number in range(3)]
    image = clip.image(0)
    # The first mask is recorded before its image, the second long after, the third never.
    path = write_bag(
        tmp_path / "bag",
        [
            (MASK, 10, 9, "mono8", masks[0]),
            (IMAGE, 10, 10, "rgb8", image),
            (IMAGE, 11, 11, "rgb8", image),
            (IMAGE, 12, 12, "rgb8", image),
            (MASK, 11, 15, "mono8", masks[1]),
            (IMAGE, 14, 16, "rgb8", image),
            (MASK, 14.3, 17, "mono8", masks[2]),
        ],
    )
    for tolerance, last in ((0.0, None), (0.05, 2)):
        source = open_bag_source(path, CLASSES, tolerance_s=tolerance)
        found = [frame.truth.segmentation for frame in source.frames()]
        values = [None if ids is None else int(ids[0, 0]) for ids in found]
        assert values == [0, 1, None, last] and len(source) == 4


def test_names_of_ids_come_from_the_bag(clip, tmp_path):
    list(write_clip_bag(clip, tmp_path / "named"))
    named = open_bag_source(tmp_path / "named", ("x", "y"))
    assert named.classes == CLASSES and named.classes_given  # by its LabelInfo
    mask = np.zeros((64, 128), np.uint8)
    path = write_bag(
        tmp_path / "bag", [(IMAGE, 10, 10, "rgb8", clip.image(0)), (MASK, 10, 10, "mono8", mask)]
    )
    unnamed = open_bag_source(path, ("x", "y"))
    assert unnamed.classes == ("x", "y") and not unnamed.classes_given
    (path / "simulation.json").write_text(json.dumps({"classes": "cityscapes7"}))
    assert open_bag_source(path, ("x", "y")).classes[0] == "flat"
    assert open_bag_source(path, ("x", "y"), classes=("a", "b")).classes == ("a", "b")


def test_a_class_id_without_a_name(bundle, clip, tmp_path):
    mask = np.full((64, 128), 7, np.uint8)
    path = write_bag(
        tmp_path / "bag",
        [(IMAGE, 10, 10, "rgb8", clip.image(0)), (MASK, 10, 10, "mono8", mask)],
    )
    with pytest.raises(
        MilaError, match=r"mask at 1.000 s in .*bag holds class id 7, but there are names for 5"
    ):
        evaluate("--model", bundle, path, "--offsets", "stream")


def test_frames_far_apart_are_measured_in_one_pass(bundle, clip, tmp_path):
    """At one frame in 1.1 s every frame begins a video: it leads up, and to no other."""
    messages = []
    for index in range(3):
        at, label = 10 + 11 * index, clip.label(index)
        messages.append((IMAGE, at, at, "rgb8", clip.image(index)))
        messages.append((MASK, at, at, "mono8", label))
    path = write_bag(tmp_path / "bag", messages)
    words = ("--model", bundle, path)
    with pytest.raises(
        MilaError, match=r"none of the 3 labelled frames counts: .* over 1 s apart .* give --off"
    ):
        evaluate(*words, "--keyframe-every", 2)
    result = evaluate(*words, "--offsets", "stream", "--json", tmp_path / "r")["results"]
    ages = result["keyframe_every_3"]["by_keyframe_age"]
    assert list(ages) == ["0"] and ages["0"]["frames"] == 3
    perception = Perception.load(bundle)
    hits = total = 0
    for index in range(3):
        answer = perception.step(clip.image(index), stamp_ns=1, camera=str(index)).segmentation
        true = clip.label(index)
        hits += np.count_nonzero((answer == true)[true != 255])
        total += np.count_nonzero(true != 255)
    assert ages["0"]["segmentation/pixel_accuracy"] == pytest.approx(hits / total)


def test_labels_that_the_model_does_not_predict_are_still_said_so(clip, tmp_path):
    model = make_tiny_bundle(tmp_path / "model", ["motion"])
    messages = []
    for at in (10, 30, 50):
        messages.append((IMAGE, at, at, "rgb8", clip.image(0)))
        messages.append((DEPTH, at, at, "32FC1", clip.depth(0)))
    path = write_bag(tmp_path / "bag", messages)
    with pytest.raises(MilaError, match="nothing here is labelled with what the model tiny pred"):
        evaluate("--model", model, path)


def test_what_a_bag_lacks_is_one_sentence(clip, tmp_path):
    image = clip.image(0)
    bare = write_bag(tmp_path / "bare", [(IMAGE, 10, 10, "rgb8", image)])
    with pytest.raises(MilaError, match=f"bare has no ground truth: none of the topics {MASK}"):
        open_bag_source(bare, CLASSES)
    small = np.ones((32, 64), np.float32)
    two = write_bag(
        tmp_path / "two",
        [
            (IMAGE, 10, 10, "rgb8", image),
            ("/rear/image", 10, 10, "rgb8", image),
            (DEPTH, 10, 10, "32FC1", small),
        ],
    )
    with pytest.raises(MilaError, match="has 2 image topics .* --topic: /camera/image_raw, /rear"):
        open_bag_source(two, CLASSES)
    source = open_bag_source(two, CLASSES, topic="/rear/image")
    with pytest.raises(MilaError, match="the depth truth in .*two is 64x32, but its image is 128x"):
        list(source.frames())
    wrong = write_bag(
        tmp_path / "wrong",
        [(IMAGE, 10, 10, "rgb8", image), (MASK, 10, 10, "rgb8", image)],
    )
    with pytest.raises(MilaError, match="message of /ground_truth/segmentation/mask at 1.000 s"):
        list(open_bag_source(wrong, CLASSES).frames())


def test_a_depth_image_in_millimetres(clip, tmp_path):
    depth = cv2.imread(str(clip.path / "depth" / "000000.png"), cv2.IMREAD_UNCHANGED)
    path = write_bag(
        tmp_path / "bag",
        [(IMAGE, 10, 10, "rgb8", clip.image(0)), (DEPTH, 10, 10, "16UC1", depth)],
    )
    source = open_bag_source(path, CLASSES)
    (frame,) = source.frames()
    expected = np.where(depth == 0, np.nan, depth / 1000)
    np.testing.assert_allclose(frame.truth.depth, expected, rtol=1e-6)
    assert source.classes == () and source.focal_px is None
