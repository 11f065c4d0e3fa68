# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The statuses say what happened, with a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from perception_bench import as_dict

from mila_ros.ros import diagnostics
from mila_ros.ros.camera_statistics import CameraStatistics
from mila_ros.ros.diagnostics import percentile, processing_status
from mila_ros.ros.model_diagnostics import keyframe_status, model_status
from mila_ros.ros.records import AnswerRecord
from mila_ros.ros.throttle import Throttle

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> CameraStatistics:
    return CameraStatistics("/front/image", clock)


def answer(stamp_s: float = 0.0, **changes: Any) -> AnswerRecord:
    values: dict[str, Any] = {
        "stamp_ns": round(stamp_s * 1e9),
        "timings_ms": {"convert": 1.0, "network": 10.0, "processing": 12.0},
        "latency_ms": 20.0,
        "new_keyframe_ns": None,
        "keyframe_age": 3,
        "keyframe_age_s": 0.3,
        "keyframe_failure": None,
        "resets": {"start": 1},
        "focal_length": "camera_info",
        "info_lag_s": 0.05,
    }
    return AnswerRecord(**values | changes)


def input_status(account: CameraStatistics, idle: str = "") -> DiagnosticStatus:
    return diagnostics.input_status("mila: input front", account, timeout_s=3.0, idle=idle)


def state(account: CameraStatistics) -> tuple[bytes, str]:
    status = input_status(account)
    return status.level, as_dict(status)["state"]


def test_the_states_of_an_input_one_after_the_other(account, clock) -> None:
    for idle in ("inactive", "disabled"):
        status = input_status(account, idle)
        assert (status.level, as_dict(status)["state"]) == (OK, idle)
    assert state(account) == (WARN, "waiting_image")
    account.accepted("rgb8 640x480")
    assert state(account) == (OK, "ok")
    account.rejected("zero_size", "The image's size is 0x0.")
    assert state(account) == (ERROR, "rejected")
    assert input_status(account).message == "The image's size is 0x0."
    account.accepted("rgb8 640x480")
    assert state(account) == (OK, "ok")
    account.refused("corrupt", "It is damaged.")
    assert state(account) == (ERROR, "rejected")
    account.accepted("rgb8 640x480")
    account.failed("RuntimeError: out of memory")
    assert state(account) == (ERROR, "failed")
    account.accepted("rgb8 640x480")
    assert state(account) == (ERROR, "failed")
    account.answered(answer())
    account.uncalibrated("there is no calibration", is_lost=False)
    assert state(account) == (WARN, "waiting_camera_info")
    account.rejected("zero_size", "The image's size is 0x0.")
    assert state(account) == (ERROR, "rejected")
    account.accepted("rgb8 640x480")
    assert state(account) == (WARN, "waiting_camera_info")
    account.calibrated()
    assert state(account) == (OK, "ok")
    clock.now += 3.1
    assert state(account) == (WARN, "stale")
    assert "no image for 3.1 s on /front/image" in input_status(account).message
    account.restart()
    assert state(account) == (WARN, "waiting_image")


def test_what_nobody_watches_any_more_is_no_problem(account) -> None:
    account.accepted("rgb8 640x480")
    account.failed("RuntimeError: it failed")
    account.uncalibrated("there is no calibration", is_lost=False)
    account.accepted("rgb8 640x480")
    account.unwatched()
    assert state(account) == (OK, "ok")
    account.rejected("zero_size", "The image's size is 0x0.")
    account.unwatched()
    assert state(account) == (ERROR, "rejected")


def test_a_camera_that_is_silent_or_not_subscribed_to_is_not_late(account, clock) -> None:
    account.accepted("rgb8 640x480")
    slow = {"processing": 900.0}
    failure = "the slow network failed"
    account.answered(answer(timings_ms=slow, keyframe_failure=failure), 100.0)

    def levels(idle: str = "") -> list[bytes]:
        statuses = diagnostics.all_statuses(
            "mila", {"front": account}, idle=idle, timeout_s=3.0, max_delay_ms=500.0,
            wanted_period_s=0.5, max_age_s=2.0, problem=None, model={"model": "tiny"},
        )  # fmt: skip
        found = {status.name: status.level for status in statuses}
        return [found["mila: processing"], found["mila: keyframes"]]

    assert levels() == [ERROR, ERROR]
    assert levels(idle="disabled") == [OK, OK]
    clock.now += 3.1
    assert levels() == [OK, OK]


def test_the_counts_of_an_input(account, clock) -> None:
    for _ in range(11):
        account.accepted("bgr8 640x480")
        clock.now += 0.1
    account.rejected("data_too_short", "Too short.")
    account.refused("corrupt", "Damaged.")
    account.replaced()
    account.replaced()
    account.unwatched()
    account.failed("It failed.")
    account.failed("It is full.", "out_of_memory")
    account.uncalibrated("No calibration.", is_lost=True)
    account.uncalibrated("No calibration.", is_lost=False)
    account.answered(answer(latency_ms=None))
    clock.now += 0.25
    account.answered(answer(resets={"start": 1, "gap": 4}))
    status = input_status(account)
    assert (status.name, status.hardware_id) == ("mila: input front", "mila_ros")
    assert as_dict(status) == {
        "state": "rejected",
        "topic": "/front/image",
        "format": "bgr8 640x480",
        "age_s": "0.250",
        "rate_hz": "10.00",
        "output_rate_hz": "4.00",
        "received": "12",
        "answered": "2",
        "dropped.rejected.data_too_short": "1",
        "dropped.rejected.corrupt": "1",
        "dropped.replaced": "2",
        "dropped.unwatched": "1",
        "dropped.failed": "1",
        "dropped.out_of_memory": "1",
        "dropped.waiting_camera_info": "1",
        "focal_length": "camera_info",
        "camera_info_lag_s": "0.050",
        "resets.start": "1",
        "resets.gap": "4",
        "processing_ms.p50": "12.0",
        "processing_ms.p95": "12.0",
        "processing_ms.p99": "12.0",
        "latency_ms.p50": "20.0",
        "latency_ms.p95": "20.0",
        "latency_ms.p99": "20.0",
    }


def test_the_rate_is_that_of_the_last_seconds(account, clock) -> None:
    for _ in range(100):
        account.accepted("rgb8 8x8")
        clock.now += 0.02
    clock.now += 4.0
    for _ in range(10):
        account.accepted("rgb8 8x8")
        clock.now += 0.25
    rate = float(as_dict(input_status(account))["rate_hz"])
    assert rate == pytest.approx(4.0)


def test_silence_counts_from_the_start_or_the_last_message(account, clock) -> None:
    clock.now += 2.0
    assert account.silence_s() == pytest.approx(2.0)
    account.rejected("zero_size", "Zero.")
    clock.now += 1.0
    assert account.silence_s() == pytest.approx(1.0)
    account.restart()
    assert account.silence_s() == pytest.approx(0.0)


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


def test_throttle_goes_by_key_and_counts_what_it_holds(clock) -> None:
    throttle = Throttle(10.0, clock)
    assert throttle.passes("a") == 0
    assert throttle.passes("b") == 0
    assert [throttle.passes("a") for _ in range(3)] == [None] * 3
    clock.now += 10.0
    assert throttle.passes("a") == 3
    assert throttle.passes("a") is None
    clock.now += 10.0
    assert throttle.passes("a") == 1
    assert throttle.passes("b") == 0
