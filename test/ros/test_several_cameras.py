# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras in one node: one network, and to each its share whatever the others do."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from malformed import spoiled
from perception_bench import Bench, as_dict, stamp_of, watch_steps

from mila_ros.networks import Network
from mila_ros.streaming import FrameRequest

CAMERAS = ["front", "left", "rear", "right"]
STEP_S = 0.05


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Four cameras, each with a watched mask."""
    bench = make_bench(cameras=CAMERAS, image_timeout_s=1.0)
    assert bench.change("configure") and bench.change("activate")
    for camera in CAMERAS:
        bench.watch(f"{camera}/segmentation/mask")
        bench.connect(camera=camera)
    return bench


@pytest.fixture
def events(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """("arrives" or "starts", camera), in their order; a frame takes STEP_S longer than it does."""
    events: list[tuple[str, str]] = []
    mailbox = bench.node._worker.mailbox
    put = mailbox.put

    def spying_put(camera: str, item: object) -> bool:
        events.append(("arrives", camera))
        return put(camera, item)

    def start(requests: list[FrameRequest]) -> None:
        (request,) = requests
        events.append(("starts", request.camera))
        time.sleep(STEP_S)

    monkeypatch.setattr(mailbox, "put", spying_put)
    watch_steps(bench, monkeypatch, start)
    return events


@contextmanager
def flood(bench: Bench, cameras: list[str], period_s: float = 0.002) -> Iterator[None]:
    """Offer each camera's frames far faster than they can be answered, stamped by the clock.

    Stamps that ran faster would make a gap, and so a keyframe, of every frame on a slow machine.
    """
    is_ending = threading.Event()
    images = {camera: bench.image() for camera in cameras}

    def run() -> None:
        start = time.monotonic_ns()
        while not is_ending.wait(period_s):
            seconds, nanoseconds = divmod(time.monotonic_ns() - start, 1_000_000_000)
            for camera, image in images.items():
                image.header.stamp.sec = 1_800_000_000 + seconds
                image.header.stamp.nanosec = nanoseconds
                bench.send(image, camera)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    is_ending.set()
    thread.join()


def networks() -> dict[int, Network]:
    gc.collect()
    # By type(): isinstance() makes some of torch's own objects warn.
    return {id(thing): thing for thing in gc.get_objects() if issubclass(type(thing), Network)}


def test_one_network_for_all_of_them(make_bench) -> None:
    before = networks().keys()
    bench = make_bench(cameras=CAMERAS)
    assert bench.change("configure") and bench.change("activate")
    for camera in CAMERAS:
        bench.watch(f"{camera}/depth/image")
        bench.connect(camera=camera)
    assert len(bench.node._pipeline.perception.cameras) == 4
    network = bench.node._pipeline.perception.network
    assert networks().keys() - before == {id(network)}
    network = None
    assert bench.change("deactivate") and bench.change("cleanup")
    assert networks().keys() <= before


def replaced(bench: Bench, camera: str) -> int:
    return bench.node._cameras[camera].statistics.counts().dropped.get("replaced", 0)


def test_a_camera_that_floods_takes_no_more_than_its_turn(bench, events) -> None:
    others = CAMERAS[1:]
    with flood(bench, others):
        bench.wait(lambda: min(replaced(bench, camera) for camera in others) >= 5)
        for seed in range(8):
            bench.answer(bench.image(seed), "front/segmentation/mask", "front")
    waited = []
    for index, event in enumerate(events):
        if event == ("arrives", "front"):
            between = events[index : events.index(("starts", "front"), index)]
            waited.append(Counter(camera for kind, camera in between if kind == "starts"))
    assert len(waited) == 8 and any(waited)
    # Whoever was in line before it goes first, once; nobody twice.
    assert all(count == 1 for ahead in waited for count in ahead.values())
    assert replaced(bench, "front") == 0


def test_all_that_flood_get_the_same_share(bench, events) -> None:
    with flood(bench, CAMERAS):
        bench.wait(lambda: len([1 for kind, _ in events if kind == "starts"]) >= 40)
    starts = [camera for kind, camera in events if kind == "starts"][8:40]
    shares = Counter(starts)
    assert max(shares.values()) - min(shares.values()) <= 2, shares


def test_a_camera_that_dies_leaves_its_share_to_the_others(bench, events) -> None:
    with flood(bench, CAMERAS):
        bench.wait(lambda: {camera for kind, camera in events if kind == "starts"} == set(CAMERAS))
    bench.diagnostics.clear()
    with flood(bench, ["front", "left"]):
        bench.status("input rear", state="stale")
        bench.status("input right", state="stale")
        bench.wait(lambda: not {"rear", "right"} & bench.node._worker.mailbox._slots.keys())
        events.clear()
        bench.wait(lambda: len([1 for kind, _ in events if kind == "starts"]) >= 20)
        for camera in ("front", "left"):
            assert bench.status(f"input {camera}", state="ok").level == DiagnosticStatus.OK
    shares = Counter(camera for kind, camera in events if kind == "starts")
    assert set(shares) == {"front", "left"}
    assert abs(shares["front"] - shares["left"]) <= 2
    back = bench.image()
    back.header.stamp.sec = 1_900_000_000
    assert bench.answer(back, "rear/segmentation/mask", "rear").header == back.header
    bench.status("input rear", state="ok")


def test_a_camera_that_sends_rubbish_is_the_only_one_to_suffer(bench) -> None:
    rng = np.random.default_rng(3)

    def rejected() -> int:
        counts = bench.node._cameras["left"].statistics.counts()
        return counts.dropped.get("rejected.data_too_short", 0)

    for seed in range(8):
        before = rejected()
        bad = spoiled(bench.image(), "half the data", rng)
        bench.wait(lambda bad=bad, before=before: bench.send(bad, "left") or rejected() > before)
        image = bench.image(seed)
        assert bench.answer(image, "front/segmentation/mask", "front").header == image.header
    left = bench.status("input left", state="rejected")
    assert left.level == DiagnosticStatus.ERROR
    front = bench.status("input front", state="ok")
    assert not any(key.startswith("dropped.rejected") for key in as_dict(front))
    assert bench.received["left/segmentation/mask"] == []


def test_each_camera_has_its_own_account_and_keyframes(bench) -> None:
    sent = {"front": 3, "rear": 5}
    before = {camera: answered(bench, camera) for camera in CAMERAS}
    for camera, count in sent.items():
        for seed in range(count):
            bench.answer(bench.image(seed), f"{camera}/segmentation/mask", camera)
    for camera in CAMERAS:
        expected = before[camera] + sent.get(camera, 0)
        values = as_dict(bench.status(f"input {camera}", answered=str(expected)))
        assert values["topic"] == f"/mila/{camera}/input/image"
    keyframes = as_dict(bench.diagnostics["mila: keyframes"])
    assert {f"{camera}.age_frames" for camera in CAMERAS} <= set(keyframes)
    stamps = [stamp_of(mask) for mask in bench.received["rear/segmentation/mask"]]
    assert len(stamps) == 5 and stamps == sorted(stamps)


def answered(bench: Bench, camera: str) -> int:
    return bench.node._cameras[camera].statistics.counts().answered


def test_frames_that_wait_together_are_computed_at_once(make_bench, monkeypatch, capfd) -> None:
    # Keyframes are computed alone; on a slow machine every frame would be due at the usual period.
    bench = make_bench(
        cameras=CAMERAS,
        max_batch_size=3,
        image_timeout_s=1.0,
        keyframe_period_s=10.0,
        keyframe_max_age_s=20.0,
    )
    assert bench.change("configure") and bench.change("activate")
    for camera in CAMERAS:
        bench.watch(f"{camera}/segmentation/mask")
        bench.connect(camera=camera)
    assert as_dict(bench.status("model"))["max_batch_size"] == "3"
    model, batches, computed, spoilt = bench.node._pipeline.perception._model, [], [], []
    network_batch, maps = model.step_batch, model.maps

    def start(requests: list[FrameRequest]) -> None:
        time.sleep(STEP_S)
        batches.append([request.camera for request in requests])

    def spying(images: list[object], *arguments: object) -> object:
        computed.append(len(images))
        return network_batch(images, *arguments)

    def failing_once(*arguments: object) -> object:
        if len(batches) == 10 and not spoilt:
            spoilt.append(True)
            raise RuntimeError("no maps")
        return maps(*arguments)

    watch_steps(bench, monkeypatch, start)
    monkeypatch.setattr(model, "step_batch", spying)
    monkeypatch.setattr(model, "maps", failing_once)
    with flood(bench, CAMERAS, period_s=0.01):
        bench.wait(lambda: len(batches) >= 30)
    settled = batches[8:30]
    assert {len(batch) for batch in settled} == {3}
    # Those who waited longest go first: nobody is left out twice running.
    for before, after in pairwise(settled):
        assert set(CAMERAS) - set(before) <= set(after)
    shares = Counter(camera for batch in settled for camera in batch)
    assert max(shares.values()) - min(shares.values()) <= 2, shares
    assert set(computed) <= {2, 3} and computed
    failed = [bench.node._cameras[name].statistics.counts().dropped for name in CAMERAS]
    assert sum(counts.get("failed", 0) for counts in failed) == 1
    assert "RuntimeError: no maps" in capfd.readouterr().err
    for camera in CAMERAS:
        image = bench.image()
        image.header.stamp.sec = 1_900_000_000
        assert bench.answer(image, f"{camera}/segmentation/mask", camera).header == image.header
