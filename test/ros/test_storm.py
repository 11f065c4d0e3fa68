# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thousands of messages that are no images, over DDS, with good ones among them.

``MILA_STORM=10000 pytest test/ros/test_storm.py -s`` makes the storms as long.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from fault_bench import active, resident_mb
from malformed import COMPRESSED, RAW, spoiled
from perception_bench import Bench, picture, stamp_of
from sensor_msgs.msg import CompressedImage, Image

MASK = "segmentation/mask"
STORM = int(os.environ.get("MILA_STORM", "320"))
MEMORY_MB = 60.0
RELIABLE_INPUT = {"qos_overrides./mila/input/image.subscription.reliability": "reliable"}
RELIABLE_COMPRESSED = {
    "qos_overrides./mila/input/image/compressed.subscription.reliability": "reliable"
}


def storm(bench: Bench, make: Callable[[int], Image | CompressedImage], kinds: list[str]) -> str:
    """Send STORM bad messages with a tenth as many good ones among them; return the figures."""
    rng = np.random.default_rng(7)
    account = bench.node._cameras["camera"].statistics
    good, memory_mb, begin = [], None, time.monotonic()
    before = sum(account.counts().dropped.values())
    for number in range(STORM):
        bench.send(spoiled(make(number), kinds[number % len(kinds)], rng))
        bad = before + number + 1
        bench.wait(lambda bad=bad: sum(account.counts().dropped.values()) == bad)
        if number % 10 == 9:
            message = make(number)
            assert bench.answer(message).header == message.header
            good.append(stamp_of(message))
            if memory_mb is None and number >= STORM // 4:
                memory_mb = resident_mb()
    assert [stamp_of(mask) for mask in bench.received[MASK]] == good
    counts = account.counts()
    causes = {cause for cause in counts.dropped if counts.dropped[cause]}
    assert causes and all(cause.startswith("rejected.") for cause in causes)
    assert sum(counts.dropped.values()) == before + STORM
    grown_mb = resident_mb() - memory_mb
    assert grown_mb < MEMORY_MB
    bench.status("input camera", state="ok")
    return (
        f"{STORM} bad messages of {len(kinds)} kinds, {len(good)} good ones answered, "
        f"{(time.monotonic() - begin) / 60:.1f} min, memory {memory_mb:.0f} {grown_mb:+.1f} MB"
    )


def check_log(capfd: pytest.CaptureFixture[str], figures: str) -> None:
    """What is refused is no error of the node; long storms say their figures."""
    errors = [line for line in capfd.readouterr().err.splitlines() if "[ERROR]" in line]
    assert errors == []
    if STORM >= 1000:
        with capfd.disabled():
            print(f"\n{figures}")


def test_a_storm_of_forty_kinds_of_malformed_images(make_bench, capfd) -> None:
    assert len(RAW) == 40
    bench = active(make_bench, **RELIABLE_INPUT)
    bench.watch(MASK)
    bench.connect()
    check_log(capfd, storm(bench, bench.image, sorted(RAW)))


def test_a_storm_of_malformed_compressed_images(make_bench, capfd) -> None:
    bench = active(make_bench, image_transport="compressed", **RELIABLE_COMPRESSED)

    def jpeg(seed: int = 0) -> CompressedImage:
        message = CompressedImage(header=bench.stamp(), format="jpeg")
        message.data = array("B", cv2.imencode(".jpg", picture(seed))[1].tobytes())
        return message

    bench.watch(MASK)
    bench.connect(jpeg)
    check_log(capfd, storm(bench, jpeg, sorted(COMPRESSED)))
