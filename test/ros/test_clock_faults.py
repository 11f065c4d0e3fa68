# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time that goes back, and time that stands still, over DDS."""

from __future__ import annotations

from itertools import count

from fault_bench import SimulatedClock, active, at
from perception_bench import as_dict, stamp_of

MASK = "segmentation/mask"


def test_a_bag_that_loops_starts_afresh_each_time_and_loses_nothing(make_bench) -> None:
    bench = active(
        make_bench,
        use_sim_time=True,
        keyframe_policy="every",
        keyframe_every=1000,
        keyframe_max_age_s=100.0,
    )
    clock = SimulatedClock(bench)
    bench.watch(MASK, "keyframe")
    clock.set(1000.0)
    numbers = count()
    bench.connect(lambda: at(bench.image(), 1000.0 + 0.001 * next(numbers)))
    for _ in range(3):
        for number in range(4):
            clock.set(500.0 + 0.1 * number)
            bench.received[MASK].clear()
            bench.answer(at(bench.image(number), 500.0 + 0.1 * number))
    assert [stamp_of(header) for header in bench.received["keyframe"]] == [500.0] * 3
    resets = bench.node._pipeline.perception.resets("camera")
    assert resets["time_jump_back"] == 3
    values = as_dict(bench.status("input camera", **{"resets.time_jump_back": "3"}))
    assert "resets.gap" not in values and "dropped.failed" not in values


def test_without_a_clock_frames_are_answered_and_keyframes_come_by_age(make_bench) -> None:
    bench = active(make_bench, use_sim_time=True, keyframe_period_s=0.1, keyframe_max_age_s=0.45)
    assert bench.node._now_ns() == 0
    bench.watch(MASK, "keyframe")
    bench.connect()
    bench.node._pipeline.perception.reset(cause="activated")
    sent = [bench.image(seed) for seed in range(11)]
    for image in sent:
        assert bench.answer(image).header == image.header
    # 0.1 s apart: the timer stands still with the clock, so that only the age makes one.
    bench.wait(lambda: len(bench.received["keyframe"]) == 3)
    assert bench.received["keyframe"] == [sent[number].header for number in (0, 5, 10)]
    assert as_dict(bench.status("processing"))["latency_ms.p50"] == "n/a"
    SimulatedClock(bench).set(1_700_000_000.0)
    image = bench.image()
    assert bench.answer(image).header == image.header
