# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder's figures are those of the frames it was told about."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from mila_ros.ros.recording import OPEN_FRAMES, Recording

MS = 1_000_000
T0 = 1_700_000_000_000 * MS


def status(name="mila: input camera", hardware_id="mila_ros", **values):
    pairs = [KeyValue(key=key.replace("__", "."), value=str(v)) for key, v in values.items()]
    return DiagnosticStatus(name=name, hardware_id=hardware_id, values=pairs)


def recording_of(frames, answered, outputs=("mask", "depth")):
    recording = Recording("image", ("mask", "depth", "never"))
    for number in range(frames):
        stamp = T0 + number * 100 * MS
        recording.count("image", stamp)
        for output in outputs if number < answered else ():
            recording.count(output, stamp + 50 * MS)
    return recording


def test_counts_and_rates_by_topic():
    summary = recording_of(frames=11, answered=6).summary()
    assert summary["frames_in"] == 11
    assert summary["frames_out"] == {"mask": 6, "depth": 6}
    assert summary["messages"] == {"image": 11, "mask": 6, "depth": 6}
    assert summary["rates_hz"] == {"image": 10.0, "mask": 10.0, "depth": 10.0}


def test_one_message_has_no_rate():
    assert recording_of(1, 0).summary()["rates_hz"] == {"image": None}


@pytest.mark.parametrize("frames", [1, 100, 3 * OPEN_FRAMES + 7])
def test_latency_is_to_the_last_output_of_each_frame(frames):
    recording = Recording("image", ("mask", "depth"))
    for number in range(frames):
        stamp = T0 + number * 100 * MS
        recording.output(stamp, stamp + (30 + number) * MS, stamp + (35 + number) * MS)
        recording.output(stamp, stamp + (20 + number) * MS, stamp + (45 + number) * MS)
    expected = np.percentile(np.arange(frames), (50, 95, 99))
    published, received = recording.latency_ms(), recording.received_latency_ms()
    assert list(published) == ["p50", "p95", "p99"]
    assert list(published.values()) == pytest.approx(expected + 30, abs=0.01)
    assert list(received.values()) == pytest.approx(expected + 45, abs=0.01)


def test_stamps_of_another_clock_are_no_latency():
    recording = Recording("image", ("mask",))
    recording.output(5 * MS, T0, T0)
    assert recording.latency_ms() is None
    recording.output(T0, T0 + 10 * MS, T0 + 11 * MS)
    assert recording.latency_ms() == {"p50": 10, "p95": 10, "p99": 10}


def test_no_frames_no_latency():
    assert Recording("image", ("mask",)).latency_ms() is None


def test_drops_are_those_of_the_latest_diagnostics_of_the_camera():
    recording = Recording("image", ("mask",), "mila/front")
    for number in range(20):
        recording.count("image", T0 + number * MS)
    recording.diagnostics([status("mila: input front", received=5, dropped__replaced=1)], T0)
    recording.diagnostics(
        [
            status("mila: input front", received=8, dropped__replaced=2, dropped__unwatched=1),
            status("mila: input rear", received=7, dropped__replaced=1),
            status("robot/mila: input front", received=7, dropped__replaced=1),
            status("mila: model", device="cpu"),
            status("someone else", "other", received=1000, dropped__replaced=99),
        ],
        T0,
    )
    assert recording.dropped() == {"replaced": 2, "unwatched": 1, "not_received": 12}
    found = recording.summary()["diagnostics"]
    assert set(found) == {"mila: input front", "mila: model"}


def test_what_the_node_had_counted_before_is_not_the_recordings():
    hour = {"received": 36_000, "dropped__unwatched": 35_000, "dropped__replaced": 7}
    recording = Recording("image", ("mask",))
    recording.diagnostics([status(**hour)], T0)
    for number in range(10):
        recording.count("image", T0 + number * MS)
        recording.count("mask", T0 + number * MS)
    recording.count("image", T0 + 11 * MS)
    hour |= {"received": 36_011, "dropped__replaced": 8}
    recording.diagnostics([status(**hour)], T0 + 12 * MS)
    assert recording.dropped() == {"replaced": 1, "not_received": 0}
    assert recording.is_settled()


def test_where_images_came_before_the_first_diagnostics_counts_begin_there():
    recording = Recording("image", ("mask",))
    for number in range(30):
        recording.count("image", T0 + number * MS)
        recording.count("mask", T0 + number * MS)
    recording.diagnostics([status(received=36_030, dropped__unwatched=36_000)], T0 + 40 * MS)
    assert recording.dropped() == {"not_received": 0}
    for number in range(50, 60):
        recording.count("image", T0 + number * MS)
    for number in range(50, 57):
        recording.count("mask", T0 + number * MS)
    later = status(received=36_038, dropped__unwatched=36_000, dropped__replaced=1)
    recording.diagnostics([later], T0 + 70 * MS)
    assert recording.dropped() == {"replaced": 1, "not_received": 2}
    assert recording.is_settled()


def test_without_diagnostics_nothing_is_said_of_drops():
    assert recording_of(5, 3).dropped() == {}


def test_settled_is_when_newer_diagnostics_account_for_every_frame():
    late = T0 + 10_000 * MS
    recording = recording_of(frames=10, answered=8)
    assert not recording.is_settled(), "no diagnostics yet"
    recording.diagnostics([status(received=10, dropped__replaced=2)], T0)
    assert not recording.is_settled(), "diagnostics older than the last frame"
    recording.diagnostics([status(received=10, dropped__replaced=1)], late)
    assert not recording.is_settled(), "one frame is still under way"
    recording.diagnostics([status(received=10, dropped__replaced=2)], late)
    assert recording.is_settled()
    recording.count("image", late + MS)
    assert not recording.is_settled(), "a new frame"
