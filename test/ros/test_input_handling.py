# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bad, odd and changing input, mixed with good frames that must all be answered."""

from __future__ import annotations

import copy
import random
import re
import time
from array import array

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from perception_bench import picture, stamp_of, watch_steps
from sensor_msgs.msg import CompressedImage, Image

MASK = "segmentation/mask"

BAD = {
    "unknown_encoding": {"encoding": "64FC7"},
    "zero_size": {"width": 0},
    "too_large": {"width": 20_000, "height": 20_000},
    "step_too_small": {"step": 3 * 128 - 1},
    "data_too_short": {"data": array("B", bytes(3 * 128 * 64 - 1))},
    "data_too_long": {"data": array("B", bytes(3 * 128 * 64 + 1))},
}
BAD_COMPRESSED = ["empty", "unknown_format", "truncated", "corrupt", "too_large", "zero_size"]


def spoil(image: Image, cause: str) -> Image:
    bad = copy.copy(image)
    if cause == "negative_stamp":
        bad.header = copy.deepcopy(image.header)
        bad.header.stamp.sec = -5
    for field, value in BAD.get(cause, {}).items():
        setattr(bad, field, value)
    return bad


def compressed(bench, seed: int = 0, extension: str = ".jpg") -> CompressedImage:
    _, data = cv2.imencode(extension, picture(seed)[..., ::-1])
    format_ = {".jpg": "bgr8; jpeg compressed bgr8", ".png": "png"}[extension]
    message = CompressedImage(header=bench.stamp(), format=format_)
    message.data = array("B", data.tobytes())
    return message


def spoil_compressed(message: CompressedImage, cause: str) -> CompressedImage:
    data = bytes(message.data)
    if cause in ("corrupt", "too_large", "zero_size"):
        data = bytearray(cv2.imencode(".png", picture())[1].tobytes())
        if cause == "corrupt":
            data[len(data) // 2] ^= 0xFF
        else:
            data[16:24] = (60_000 if cause == "too_large" else 0).to_bytes(4, "big") * 2
    spoiled = {"empty": b"", "unknown_format": b"GIF89a" + data, "truncated": data[:-40]}
    bad = copy.copy(message)
    bad.data = array("B", spoiled.get(cause, bytes(data)))
    return bad


@pytest.mark.parametrize("cause", [*BAD, "negative_stamp"])
def test_a_bad_image_is_named_counted_and_skipped(bench, cause: str, capfd) -> None:
    bench.watch(MASK)
    bench.connect()
    stamps = set()
    for count in range(1, 4):
        good = bench.image(count)
        bench.send(spoil(bench.image(), cause))
        status = bench.status("input camera", **{f"dropped.rejected.{cause}": str(count)})
        assert status.level == DiagnosticStatus.ERROR
        good.header = bench.stamp()
        stamps.add(stamp_of(good))
        assert bench.answer(good).header == good.header
        assert bench.status("input camera", state="ok").level == DiagnosticStatus.OK
    assert {stamp_of(message) for message in bench.received[MASK]} == stamps
    lines = [line for line in capfd.readouterr().err.splitlines() if "[WARN]" in line]
    assert len(lines) == 1
    assert "/mila/input/image: " in lines[0]


@pytest.mark.parametrize("cause", BAD_COMPRESSED)
def test_a_bad_compressed_image_is_skipped(make_bench, cause: str, capfd) -> None:
    bench = make_bench(image_transport="compressed")
    assert bench.change("configure") and bench.change("activate")
    bench.watch(MASK)
    bench.connect(lambda: compressed(bench))
    for count in (1, 2):
        bench.send(spoil_compressed(compressed(bench), cause))
        counted = {f"dropped.rejected.{cause}": str(count)}
        bench.status("input camera", state="rejected", **counted)
        good = compressed(bench, count, ".png")
        assert bench.answer(good).header == good.header
    assert len(bench.received[MASK]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if "[WARN]" in line]
    assert len([line for line in lines if "/mila/input/image/compressed: The" in line]) == 1


def test_compressed_and_raw_images_give_the_same_mask(make_bench, bench) -> None:
    bench.watch(MASK)
    bench.connect()
    bench.node._pipeline.perception.reset(cause="activated")
    raw = bench.answer(bench.image(5))
    bench.close()
    other = make_bench(image_transport="compressed")
    assert other.change("configure") and other.change("activate")
    other.watch(MASK)
    other.connect(lambda: compressed(other))
    other.node._pipeline.perception.reset(cause="activated")
    packed = other.answer(compressed(other, 5, ".png"))
    assert np.mean(np.asarray(raw.data) == np.asarray(packed.data)) > 0.999


def test_every_good_frame_of_a_wild_mix_is_answered_once(bench) -> None:
    """A seeded storm of encodings, sizes, padding and damage, one message at a time."""
    bench.watch(MASK, "depth/image", "motion/mask", "keyframe")
    bench.connect()
    rng = random.Random(4)
    good: list[float] = []
    bad = 0
    for _ in range(120):
        image = bench.image(rng.randrange(100), rng.choice([(64, 128), (50, 50), (1, 3), (90, 7)]))
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, -1)
        encoding = rng.choice(["rgb8", "bgr8", "mono8", "bayer_rggb8", "mono16", "yuv422"])
        if encoding != "rgb8":
            size = {"bgr8": 3, "mono8": 1, "bayer_rggb8": 1}.get(encoding, 2)
            image.encoding, rows = encoding, rows[:, : image.width * size]
        rows = np.pad(rows, ((0, 0), (0, rng.choice([0, 0, 5]))))
        image.step, image.data = rows.shape[1], array("B", rows.tobytes())
        is_odd = encoding == "yuv422" and image.width % 2
        if rng.random() < 0.3:
            image = spoil(image, rng.choice(["unknown_encoding", "zero_size", "negative_stamp"]))
            is_odd = True
        bench.send(image)
        if is_odd:
            bad += 1
            bench.wait(lambda expected=bad: sum_rejected(bench) >= expected)
        else:
            good.append(stamp_of(image))
            assert bench.arrived(good[-1], [MASK, "depth/image", "motion/mask"])
    assert bad > 20 and len(good) > 60
    for topic in (MASK, "depth/image", "motion/mask"):
        assert [stamp_of(message) for message in bench.received[topic]] == good
    assert sum_rejected(bench) == bad


def sum_rejected(bench) -> int:
    counts = bench.node._cameras["camera"].statistics._dropped
    return sum(count for cause, count in counts.items() if cause.startswith("rejected."))


def change_nothing(bench, image: Image) -> None:
    pass


def jump_back(bench, image: Image) -> None:
    image.header.stamp.sec -= 100


def repeat_stamp(bench, image: Image) -> None:
    image.header.stamp = bench.received[MASK][-1].header.stamp


def leave_gap(bench, image: Image) -> None:
    image.header = bench.stamp(5.0)


def change_frame(bench, image: Image) -> None:
    image.header.frame_id = "rear_optical"


def change_encoding(bench, image: Image) -> None:
    image.encoding = "bgr8"


def change_size(bench, image: Image) -> None:
    header, other = image.header, bench.image(1, (32, 64))
    image.height, image.width, image.step, image.data = 32, 64, 192, other.data
    image.header = header


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (change_nothing, None),
        (jump_back, "time_jump_back"),
        (repeat_stamp, "stamp_not_increasing"),
        (leave_gap, "gap"),
        (change_frame, "frame_id_changed"),
        (change_encoding, "encoding_changed"),
        (change_size, "size_changed"),
    ],
)
def test_a_stream_that_does_not_go_on_starts_afresh(bench, change, cause: str | None) -> None:
    bench.set("keyframe_policy", "every")
    bench.set("keyframe_every", 1000)
    bench.set("keyframe_max_age_s", 500.0)
    bench.watch(MASK, "keyframe")
    bench.connect()
    for seed in range(3):
        bench.answer(bench.image(seed))
    assert bench.received["keyframe"] == []
    image = bench.image(7)
    change(bench, image)
    before = len(bench.received[MASK])
    bench.send(image)
    bench.wait(lambda: len(bench.received[MASK]) == before + 1)
    assert bench.received[MASK][-1].header == image.header
    if cause is None:
        assert bench.received["keyframe"] == []
    else:
        bench.wait(lambda: bench.received["keyframe"] == [image.header])
        bench.status("input camera", **{f"resets.{cause}": "1"})


def test_frames_without_a_time_are_one_stream(bench, capfd) -> None:
    bench.set("keyframe_policy", "every")
    bench.set("keyframe_every", 1000)
    bench.watch(MASK, "keyframe")
    bench.connect()
    for count in range(1, 4):
        image = bench.image(count)
        image.header.stamp.sec = image.header.stamp.nanosec = 0
        bench.send(image)
        bench.wait(lambda expected=count: len(bench.received[MASK]) == expected)
    assert [stamp_of(message) for message in bench.received["keyframe"]] == [0.0]
    lines = [line for line in capfd.readouterr().err.splitlines() if "stamp" in line]
    assert len([line for line in lines if "carry no time" in line]) == 1


def test_a_fault_in_the_network_is_reported_and_survived(bench, monkeypatch, capfd) -> None:
    bench.watch(MASK)
    bench.connect()
    pipeline = bench.node._pipeline
    compute = pipeline.perception._compute

    def fail(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(pipeline.perception, "_compute", fail)
    bench.send(bench.image())
    status = bench.status("input camera", **{"state": "failed", "dropped.failed": "1"})
    assert status.level == DiagnosticStatus.ERROR
    assert "CUDA out of memory" in status.message
    monkeypatch.setattr(pipeline.perception, "_compute", compute)
    image = bench.image()
    assert bench.answer(image).header == image.header
    status = bench.status("input camera", **{"state": "ok", "resets.error": "1"})
    assert status.level == DiagnosticStatus.OK
    assert "RuntimeError: CUDA out of memory" in capfd.readouterr().err


def test_silence_is_explained(make_bench, capfd) -> None:
    bench = make_bench(image_timeout_s=0.2)
    assert bench.change("configure") and bench.change("activate")
    bench.status("input camera", state="waiting_image")
    line = bench.wait(lambda: re.search(r"No image for .*", capfd.readouterr().err))
    assert re.search(r"on /mila/input/image; there publish: nobody\.", line[0])
    bench.send(bench.image())
    bench.status("input camera", state="ok")
    bench.status("input camera", state="stale")


def test_a_slow_network_gets_the_newest_frame_and_drops_the_others(bench, monkeypatch) -> None:
    bench.watch(MASK)
    bench.connect()
    watch_steps(bench, monkeypatch, lambda _: time.sleep(0.15))
    sent = []
    for _ in range(40):
        sent.append(bench.image())
        bench.send(sent[-1])
        time.sleep(0.02)
    last = stamp_of(sent[-1])
    assert bench.arrived(last, [MASK])
    answered = [stamp_of(message) for message in bench.received[MASK]]
    assert answered == sorted(answered)
    assert 4 <= len(answered) <= 12
    replaced = bench.node._cameras["camera"].statistics._dropped["replaced"]
    received = bench.node._cameras["camera"].statistics._received
    assert replaced >= 20
    assert received >= len(answered) + replaced
