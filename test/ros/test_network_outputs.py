# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles of the papers' other networks in the node, over DDS, on the demo's input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from network_bundles import write_network_bundle
from perception_bench import Bench
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mila_ros.data.datasets.normals import rgb8_from_normals
from mila_ros.data.frame_sources import open_source
from mila_ros.demo.command import SAMPLE
from mila_ros.networks.astmt import ASTMT
from mila_ros.paths import share_directory
from mila_ros.ros.conversions import mask_message, rgb_message, vectors_message
from mila_ros.ros.snapshots import Colors, Snapshot, draw
from mila_ros.streaming import Frame, Perception
from mila_ros.tasks import TASKS
from mila_ros.visualization import Panel, side_by_side

MAPS = {
    "segmentation/mask": ("segmentation", "mono8"),
    "depth/image": ("depth", "32FC1"),
    "motion/mask": ("motion", "mono8"),
    "normals/image": ("normals", "32FC3"),
    "edges/image": ("edges", "mono8"),
    "saliency/mask": ("saliency", "mono8"),
    "human_parts/mask": ("human_parts", "mono8"),
}
FOCAL_PX = 300.0


@pytest.fixture(scope="module")
def street() -> list[np.ndarray]:
    """The first pictures of what ``mila demo`` plays."""
    source = open_source(str(share_directory() / SAMPLE))
    return [np.ascontiguousarray(frame.rgb()) for frame in islice(source, 3)]


def values(message: Image) -> np.ndarray:
    dtype = np.float32 if message.encoding.startswith("32FC") else np.uint8
    pixels = np.frombuffer(message.data, dtype).reshape(message.height, message.width, -1)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def start(make_bench: Callable[..., Bench], model: Path, topics: Sequence[str]) -> Bench:
    bench = make_bench(model=str(model), depth__focal_length_px=FOCAL_PX)
    assert bench.change("configure") and bench.change("activate")
    watch(bench, *topics)
    return bench


def watch(bench: Bench, *topics: str) -> None:
    """Subscribe, and wait until the node knows."""
    bench.watch(*topics)
    bench.wait(lambda: bench.node._cameras["camera"].outputs.watched() >= set(topics))


def check(message: Image, header: Header, topic: str, frame: Frame) -> None:
    field, encoding = MAPS[topic]
    expected, found = getattr(frame, field), values(message)
    assert (message.header, message.encoding) == (header, encoding)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    # Threads may share the work out in another way, and round otherwise.
    if found.dtype == np.float32:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    else:
        assert (np.abs(found.astype(int) - expected) <= 1).mean() > 0.999


@pytest.mark.parametrize(
    ("name", "tasks"),
    [("mti_net", tuple(TASKS)), ("multinet", ("segmentation", "depth", "motion"))],
)
def test_the_node_answers_with_what_the_bundle_gives(
    make_bench: Callable[..., Bench], street: list[np.ndarray], tmp_path: Path, name: str,
    tasks: tuple[str, ...],
) -> None:  # fmt: skip
    model = write_network_bundle(tmp_path / name, name, tasks)
    topics = [topic for topic, (field, _) in MAPS.items() if field in tasks]
    bench = start(make_bench, model, topics)
    for other in set(MAPS) - set(topics):
        assert bench.client.count_publishers(f"/mila/{other}") == 0
    perception = Perception.load(model, device="cpu", threads=1)
    for number, rgb in enumerate(street):
        message = rgb_message(rgb, bench.stamp())
        bench.send(message)
        frame = perception.step(rgb, stamp_ns=number + 1, focal_px=FOCAL_PX)
        for topic in topics:
            check(bench.answer_with(message.header, topic), message.header, topic, frame)


def test_astmt_is_run_for_the_topics_that_somebody_watches(
    make_bench: Callable[..., Bench], street: list[np.ndarray], tmp_path: Path, monkeypatch: Any
) -> None:
    model = write_network_bundle(tmp_path / "astmt", "astmt", ("edges", "depth", "human_parts"))
    ran: list[str] = []
    features = ASTMT.features
    monkeypatch.setattr(
        ASTMT, "features", lambda self, x, task: ran.append(task) or features(self, x, task)
    )
    perception = Perception.load(model, device="cpu", threads=1)
    bench = start(make_bench, model, ["edges/image", "edges/camera_info"])
    ran.clear()
    message = rgb_message(street[0], bench.stamp())
    answer = bench.answer(message, "edges/image")
    assert ran == ["edges"]
    frame = perception.step(street[0], stamp_ns=1)
    check(answer, message.header, "edges/image", frame)
    bench.calibrate(CameraInfo(header=bench.stamp(), width=512, height=256, k=np.eye(3).ravel()))
    message = rgb_message(street[0], bench.stamp())
    bench.send(message)
    assert bench.answer_with(message.header, "edges/camera_info").header == message.header
    watch(bench, "human_parts/mask")
    ran.clear()
    message = rgb_message(street[0], bench.stamp())
    check(bench.answer(message, "human_parts/mask"), message.header, "human_parts/mask", frame)
    assert sorted(ran) == ["edges", "human_parts"]


def test_a_snapshot_shows_every_answer() -> None:
    random = np.random.default_rng(0)
    header = Header(frame_id="front")
    rgb = random.integers(0, 256, (48, 64, 3), np.uint8)
    edges, saliency = random.integers(0, 256, (2, 48, 64), np.uint8)
    normals = random.normal(size=(48, 64, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    outputs = {
        "saliency/mask": mask_message(saliency, header),
        "edges/image": mask_message(edges, header),
        "normals/image": vectors_message(normals, header),
    }
    snapshot = Snapshot(
        7, 1_500_000_000, serialize_message(rgb_message(rgb, header)), 0.0,
        {topic: serialize_message(message) for topic, message in outputs.items()},
    )  # fmt: skip
    colors = Colors((), np.zeros((256, 3), np.uint8), (0.5, 100.0))
    expected = side_by_side(
        [
            Panel("input", rgb),
            Panel("normals", rgb8_from_normals(normals)),
            Panel("edges", cv2.merge([edges] * 3)),
            Panel("saliency", cv2.merge([saliency] * 3)),
        ],
        "frame 7    stamp 1.500 s",
    )
    np.testing.assert_array_equal(draw(snapshot, colors, Image), expected)
