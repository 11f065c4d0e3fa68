# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics says of processing, of keyframes and of the model."""

from __future__ import annotations

import pytest
from diagnostics_bench import ERROR, OK, WARN, Clock, answer
from perception_bench import as_dict

from mila_ros.ros.camera_statistics import CameraStatistics
from mila_ros.ros.diagnostics import percentile, processing_status
from mila_ros.ros.model_diagnostics import keyframe_status, model_status


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> CameraStatistics:
    return CameraStatistics("/front/image", clock)


def test_processing_has_the_percentiles_of_each_stage(account, clock) -> None:
    other = CameraStatistics("/left/image", clock)
    for number in range(1, 101):
        timings = {"network": float(number), "processing": 2.0 * number}
        latency = None if number <= 90 else 30.0
        camera = account if number % 2 else other
        camera.answered(answer(timings_ms=timings, latency_ms=latency))
    status = processing_status("mila: processing", {"front": account, "left": other}, 1000.0)
    assert (status.level, status.message) == (OK, "100.0 ms per frame")
    assert as_dict(status) == {
        "frames": "100",
        "is_processing_time_ms_in_expected_range": "True",
        "is_consecutive_processing_delay_in_range": "True",
        "network_ms.p50": "50.0",
        "network_ms.p95": "95.0",
        "network_ms.p99": "99.0",
        "processing_ms.p50": "100.0",
        "processing_ms.p95": "190.0",
        "processing_ms.p99": "198.0",
        "latency_ms.p50": "30.0",
        "latency_ms.p95": "30.0",
        "latency_ms.p99": "30.0",
    }


def test_processing_before_the_first_frame_and_without_a_clock(account) -> None:
    status = processing_status("p", {"front": account}, 1000.0)
    assert status.message == "no frame yet"
    assert as_dict(status)["processing_ms.p99"] == "n/a"
    account.answered(answer(latency_ms=None))
    assert as_dict(processing_status("p", {"front": account}, 1000.0))["latency_ms.p50"] == "n/a"


def test_frames_that_take_too_long_are_a_warning_and_for_too_long_an_error(account, clock) -> None:
    other = CameraStatistics("/left/image", clock)
    other.answered(answer(), 100.0)

    def process(milliseconds: float, limit_ms: float = 100.0) -> tuple[bytes, str, str]:
        clock.now += milliseconds * 1e-3
        account.answered(answer(timings_ms={"processing": milliseconds}), limit_ms)
        status = processing_status("p", {"front": account, "left": other}, 500.0)
        values = as_dict(status)
        return (
            status.level,
            values["is_processing_time_ms_in_expected_range"],
            values["is_consecutive_processing_delay_in_range"],
        )

    assert process(100.0) == (OK, "True", "True")
    assert process(200.0) == (WARN, "False", "True")
    assert process(290.0) == (WARN, "False", "True")  # for 490 ms by now
    assert process(200.0) == (ERROR, "False", "False")
    assert process(90.0) == (OK, "True", "True")
    assert process(499.0) == (WARN, "False", "True")
    assert process(499.0, limit_ms=0.0) == (OK, "True", "True")


def test_percentiles_are_of_the_numbers_themselves() -> None:
    assert [percentile([3.0, 1.0, 2.0], p) for p in (0, 50, 95, 100)] == [1.0, 2.0, 3.0, 3.0]
    assert percentile([7.0], 50) == 7.0
    assert percentile([1.0, 2.0], 50) == 1.0


def test_keyframes_wanted_and_achieved(account) -> None:
    for number in range(6):
        account.answered(answer(0.5 * number, new_keyframe_ns=number * 500_000_000))
        account.answered(answer(0.5 * number + 0.1, keyframe_age=1, keyframe_age_s=0.1))
    status = keyframe_status("k", 0.5, 2.0, {"front": account})
    assert (status.level, status.message) == (OK, "ok")
    assert as_dict(status) == {
        "wanted_period_s": "0.500",
        "front.achieved_period_s": "0.500",
        "front.age_frames": "1",
        "front.age_s": "0.100",
    }


def test_late_keyframes_are_a_warning(account) -> None:
    account.answered(answer(0.2, new_keyframe_ns=0))
    assert keyframe_status("k", 0.5, 2.0, {"front": account}).level == OK
    account.answered(answer(1.2, new_keyframe_ns=1_000_000_000))
    status = keyframe_status("k", 0.5, 2.0, {"front": account})
    assert status.level == WARN
    assert status.message == "keyframes come late: front every 1.00 s, wanted every 0.50 s"
    assert keyframe_status("k", None, 2.0, {"front": account}).level == OK
    account.answered(answer(4.0, keyframe_age_s=2.9))
    assert keyframe_status("k", None, 2.0, {"front": account}).level == OK
    account.answered(answer(4.2, keyframe_age_s=3.1))
    status = keyframe_status("k", None, 2.0, {"front": account})
    assert status.level == WARN
    assert status.message.endswith("front has one of 3.10 s ago, wanted after 2.00 s")


def test_a_slow_network_that_fails_is_an_error_until_it_does_not(account) -> None:
    account.answered(answer(1.0, keyframe_failure="the slow network failed: no memory"))
    other = CameraStatistics("/left/image")
    status = keyframe_status("k", 0.5, 2.0, {"front": account, "left": other})
    assert status.level == ERROR
    assert status.message == (
        "front: the slow network failed: no memory; frames go on with the keyframe that they have"
    )
    account.answered(answer(1.1))
    assert keyframe_status("k", 0.5, 2.0, {"front": account, "left": other}).level == OK


def test_the_model() -> None:
    assert model_status("m", None, {}).level == WARN
    status = model_status("m", None, {}, "loading tiny")
    assert (status.level, status.message) == (WARN, "loading tiny")
    status = model_status("m", None, {"model": "tiny", "device": "cpu"})
    assert (status.level, status.message) == (OK, "tiny is loaded")
    values = {"model": "tiny", "engine": "openvino", "building": "decode depth at 64x128"}
    status = model_status("m", None, values)
    text = "building: the engine openvino compiles decode depth at 64x128"
    assert (status.level, status.message) == (WARN, text)
    status = model_status("m", "cannot configure: no such model", {})
    assert (status.level, status.message) == (ERROR, "cannot configure: no such model")
