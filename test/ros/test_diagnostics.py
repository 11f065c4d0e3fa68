# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics says of an input, with a clock of the test's own."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from diagnostics_bench import ERROR, OK, WARN, Clock, answer
from perception_bench import as_dict

from mila_ros.ros import diagnostics
from mila_ros.ros.camera_statistics import CameraStatistics
from mila_ros.ros.throttle import Throttle


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> CameraStatistics:
    return CameraStatistics("/front/image", clock)


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
