# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The live evaluation of a bag, over DDS, gives what the one without ROS gives."""

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import CameraInfo

from mila_ros.data.bag_messages import IMAGE, INFO, MessageFactory
from mila_ros.data.clip_folder import ClipFolder
from mila_ros.data.clip_to_bag import LIDAR_FRAME, LIDAR_IN_CAMERA, write_clip_bag
from mila_ros.data.point_clouds import PointCloudError
from mila_ros.data.transforms import StaticTransforms
from mila_ros.errors import MilaError
from mila_ros.evaluation.bag_sources import open_bag_source
from mila_ros.evaluation.class_lists import common_classes
from mila_ros.evaluation.plan import Plan
from mila_ros.evaluation.play import Player
from mila_ros.evaluation.results import document
from mila_ros.evaluation.scores import Scheme
from mila_ros.ros import evaluator_node
from mila_ros.ros.evaluation_scoring import Lidar, parse_matrix
from mila_ros.ros.evaluator_node import EvaluatorNode
from mila_ros.ros.player_node import PlayerNode
from mila_ros.streaming import load_bundle

SIZE, FRAMES, EVERY = (64, 128), 8, 3

pytestmark = pytest.mark.usefixtures("ros_domain")


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    """A picture that shifts by four pixels a frame, with labels, sparse depth and motion."""
    clip, path = tmp_path_factory.mktemp("clip"), tmp_path_factory.mktemp("evaluator") / "bag"
    for name in ("image", "depth", "label", "motion"):
        (clip / name).mkdir()
    camera = {
        "width": SIZE[1], "height": SIZE[0], "fps": 10,
        "K": [[100.0, 0, 63.5], [0, 100.0, 31.5], [0, 0, 1]],
        "depth": "uint16, metres * 256, 0 = unknown",
    }  # fmt: skip
    (clip / "camera.json").write_text(json.dumps(camera))
    # The model's classes in another order, so that ids have to be mapped by name.
    names = [f"class_{number}" for number in (3, 1, 4, 0, 2)]
    (clip / "labels.json").write_text(json.dumps({"classes": names, "void": 255}))
    random = np.random.default_rng(0)
    scene = cv2.resize(random.integers(0, 256, (16, 64, 3), np.uint8), (256, 64))
    for index in range(FRAMES):
        name = f"{index:06d}.png"
        cv2.imwrite(f"{clip}/image/{name}", scene[:, 4 * index : 4 * index + SIZE[1]])
        depth = random.integers(512, 15000, SIZE).astype(np.uint16)
        depth[random.random(SIZE) < 0.9] = 0
        cv2.imwrite(f"{clip}/depth/{name}", depth)
        labels = random.choice([0, 1, 2, 3, 4, 255], SIZE).astype(np.uint8)
        cv2.imwrite(f"{clip}/label/{name}", labels)
        cv2.imwrite(f"{clip}/motion/{name}", random.choice([0, 127, 255], SIZE).astype(np.uint8))
    list(write_clip_bag(ClipFolder.open(clip), path, has_points=True))
    return path


@pytest.fixture(scope="module")
def offline(bag: Path, tiny_model: Path) -> dict:
    bundle, network = load_bundle(tiny_model)
    own = tuple(label.name for label in bundle.labels)
    source = open_bag_source(bag, own)
    scheme = Scheme(own, common_classes(own, [("bag", source.classes)]), (), 50.0, True)
    plan = Plan(scheme, (EVERY,), "stream")
    played = Player(bundle, network, plan, "cpu", "fp32", 1).play(source)
    return document(bundle, plan, [played], {})["results"][f"keyframe_every_{EVERY}"]


def evaluate(folder: Path, bag: Path, model: Path, **parameters) -> dict:
    """Play the bag, evaluate the node that is there, and return what was written."""
    values = {
        "bag": bag, "output": folder, "model": model, "end_after_s": 2.0, "rate": 0.5,
        "wait_for": f"['{IMAGE}:2', '{INFO}:1']", "start_delay": 1.0,
        "use_sim_time": "true", **parameters,
    }  # fmt: skip
    args = ["--ros-args", "-r", f"image_raw:={IMAGE}", "-r", f"camera_info:={INFO}"]
    for name, value in values.items():
        args += ["-p", f"{name}:={value}"]
    rclpy.init(args=args)
    nodes = []
    try:
        for kind in (EvaluatorNode, PlayerNode):
            executor, node = SingleThreadedExecutor(), kind()
            nodes.append((executor, node))
            executor.add_node(node)
        running, end = dict(nodes), time.monotonic() + 60
        while nodes[0][0] in running:
            assert time.monotonic() < end, "the evaluator did not end"
            for executor in list(running):
                try:
                    executor.spin_once(timeout_sec=0.005)
                except ExternalShutdownException:
                    del running[executor]
    finally:
        for _, node in nodes:
            node.destroy_node()
        try_shutdown()
    return json.loads((folder / "evaluation.json").read_text())


@pytest.fixture
def make_node(make_bench):
    """Makes an active perception node on the bag's camera, with the bag's time."""

    def make():
        remapped = [f"~/input/image:={IMAGE}", f"~/input/camera_info:={INFO}"]
        cli_args = ["--ros-args", *(word for rule in remapped for word in ("-r", rule))]
        bench = make_bench(
            {"cli_args": cli_args},
            keyframe_policy="every",
            keyframe_every=EVERY,
            use_sim_time=True,
        )
        assert bench.change("configure") and bench.change("activate")
        return bench

    return make


def evaluate_without_drops(folder: Path, bag: Path, model: Path, make_node, **parameters) -> dict:
    """`evaluate`, slower and slower until even a busy machine keeps up."""
    for rate in (0.7, 0.2, 0.05):
        bench, patience_s = make_node(), 2 + 0.3 / rate
        found = evaluate(
            folder / str(rate), bag, model, rate=rate, end_after_s=patience_s, **parameters
        )
        bench.close()
        if found["live"]["frames"]["answered"] == FRAMES:
            break
    return found


def assert_same(found: dict, expected: dict) -> None:
    """Equal to rounding, and None where the other is None."""
    for key in ("all", "by_class", "by_keyframe_age"):
        flat = {name: _flat(result[key]) for name, result in (("a", found), ("b", expected))}
        assert flat["a"].keys() == flat["b"].keys()
        for name, value in flat["b"].items():
            if value is None:
                assert flat["a"][name] is None, (key, name)
            else:
                assert flat["a"][name] == pytest.approx(value, rel=1e-9), (key, name)
    assert found["confusion"] == expected["confusion"]


def _flat(figures: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in figures.items():
        flat |= (
            _flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


@pytest.mark.parametrize("depth_truth", ["image", "points"])
def test_live_and_offline_agree_where_nothing_is_dropped(
    make_node, bag, tiny_model, offline, tmp_path, depth_truth
) -> None:
    # Points from the bag's /tf_static; the images' truth is the same, so both say the same.
    found = evaluate_without_drops(tmp_path, bag, tiny_model, make_node, depth_truth=depth_truth)
    frames = found["live"]["frames"]
    assert frames["images"] == frames["answered"] == FRAMES, frames
    assert sum(frames["dropped"].values()) == 0 and found["live"]["not_scored"] == {}
    assert_same(found["results"][f"keyframe_every_{EVERY}"], offline)
    metrics = found["results"][f"keyframe_every_{EVERY}"]["all"]
    assert metrics["frames"] == FRAMES
    for name in ("segmentation/miou", "depth/rel_error", "motion/iou"):
        assert 0 < metrics[name]
    keyframes = found["live"]["keyframes"]
    assert keyframes["count"] == 3
    assert keyframes["answers_by_age"] == {"0": 3, "1": 3, "2": 2}
    assert keyframes["interval_s"]["p50"] == pytest.approx(0.3)
    latency = found["live"]["latency_ms"]
    assert (
        0
        < latency["image_to_answer_published"]["p50"]
        <= latency["image_to_answer_received"]["p99"]
    )
    assert 0 <= latency["stamp_to_answer_received"]["p50"] < 1000
    assert found["live"]["node"]["input camera"]["answered"] == str(FRAMES)
    assert float(found["live"]["node"]["processing"]["network_ms.p50"]) > 0


def test_drops_have_a_cause(make_node, bag, tiny_model, tmp_path) -> None:
    make_node()
    # Nobody can answer 8 frames that come within 8 ms.
    found = evaluate(tmp_path / "live", bag, tiny_model, rate=100.0)
    frames = found["live"]["frames"]
    assert frames["images"] == FRAMES and 1 <= frames["answered"] < FRAMES
    assert frames["answered"] + sum(frames["dropped"].values()) == FRAMES
    assert frames["dropped"].get("unexplained", 0) == 0


def test_a_node_without_a_model_ends_the_evaluation(make_bench, bag, tiny_model, tmp_path) -> None:
    """The player would wait for its subscription for ever."""
    bench = make_bench(device="cuda:7")
    assert not bench.change("configure")
    with pytest.raises(
        MilaError, match=r"mila has no model: cannot configure: the device cuda:7 is"
    ):
        evaluate(tmp_path / "live", bag, tiny_model)
    assert not (tmp_path / "live" / "evaluation.json").exists()


def test_what_is_not_scored_when_a_signal_comes_is_left(tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(evaluator_node, "SCORING_S", 0.2)
    args = ["--ros-args", "-p", f"model:={tiny_model}", "-p", f"output:={tmp_path}"]
    rclpy.init(args=args)
    try:
        node = EvaluatorNode()
        scored = []
        for number in range(100):
            node._put(lambda number=number: (time.sleep(0.05), scored.append(number)))
        begin_s = time.monotonic()
        node.destroy_node()
        assert time.monotonic() - begin_s < 3
    finally:
        try_shutdown()
    assert 0 < len(scored) < 100 and scored == list(range(len(scored)))
    assert (tmp_path / "evaluation.json").is_file()


def test_an_evaluation_is_not_overwritten(bag, tiny_model, tmp_path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "evaluation.json").write_text("{}")
    with pytest.raises(MilaError, match="holds an evaluation already"):
        evaluate(folder, bag, tiny_model)
    assert (folder / "evaluation.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"model": "no_such_model"}, "there is no model 'no_such_model'"),
        ({"truth_classes": "imagenet"}, "one of"),
        ({"depth_truth": "points", "lidar_to_camera": "1 2 3"}, "12 numbers"),
        ({"bag": "no_such_bag"}, "no_such_bag"),
    ],
)
def test_mistakes_are_one_sentence(bag, tiny_model, tmp_path, parameters, sentence) -> None:
    with pytest.raises(MilaError, match=sentence):
        evaluate(tmp_path / "live", **{"bag": bag, "model": tiny_model, **parameters})


def test_points_need_a_calibration_and_a_place() -> None:
    factory = MessageFactory()
    points = np.array([[5.0, 0, 0]], np.float32)  # five metres ahead of the LiDAR
    cloud = factory.point_cloud(factory.header(1, "lidar"), points)
    camera = CameraInfo(width=8, height=4, k=[9.0, 0, 3, 0, 9, 2, 0, 0, 1])
    transforms = StaticTransforms()
    with pytest.raises(PointCloudError, match="no static transform from 'lidar' to 'eye'"):
        Lidar(transforms, None).depth(cloud, "eye", camera)
    placed = factory.static_transform(factory.header(1, "eye"), LIDAR_FRAME, *LIDAR_IN_CAMERA)
    transforms.add(placed.transforms)
    expected = np.full((4, 8), np.nan, np.float32)
    expected[2, 3] = 5
    np.testing.assert_array_equal(Lidar(transforms, None).depth(cloud, "eye", camera), expected)
    by_hand = Lidar(StaticTransforms(), parse_matrix("0 -1 0 0 0 0 -1 0 1 0 0 0"))
    np.testing.assert_array_equal(by_hand.depth(cloud, "eye", camera), expected)
    # P is that of the rectified image, and comes first where there is one.
    camera.p = [9.0, 0, 6, 0, 0, 9, 1, 0, 0, 0, 1, 0]
    depth = Lidar(transforms, None).depth(cloud, "eye", camera)
    assert np.argwhere(np.isfinite(depth)).tolist() == [[1, 6]]
    with pytest.raises(PointCloudError, match="not calibrated"):
        Lidar(transforms, None).depth(cloud, "eye", CameraInfo(width=8, height=4))
