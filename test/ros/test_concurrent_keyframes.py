# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slow network beside the frames, in the node and over DDS."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from perception_bench import stamp_of

from mila_ros.engines.eager import EagerEngine
from mila_ros.networks.local_attention import backends
from mila_ros.ros import attention
from mila_ros.streaming import Adaptive, Perception

MASK = "segmentation/mask"


@pytest.fixture
def bench(make_bench):
    bench = make_bench(
        keyframe_mode="concurrent", keyframe_policy="every", keyframe_every=3, keyframe_threads=1
    )
    assert bench.change("configure") and bench.change("activate")
    bench.watch(MASK, "keyframe")
    bench.connect()
    return bench


@pytest.fixture
def held(monkeypatch):
    """The slow network says that it has begun, and goes on when it is told to."""
    begun, go_on = threading.Event(), threading.Event()
    sources = EagerEngine.sources

    def hold(self, image, *, precision):
        begun.set()
        assert go_on.wait(20)
        return sources(self, image, precision=precision)

    monkeypatch.setattr(EagerEngine, "sources", hold)
    return begun, go_on


def test_frames_do_not_wait_and_the_keyframe_in_use_is_told(bench, held) -> None:
    begun, go_on = held
    sent = []
    while not begun.is_set() or len(sent) < 6:
        sent.append(bench.image(len(sent)))
        assert bench.answer(sent[-1]).header == sent[-1].header
    told = len(bench.received["keyframe"])
    status = bench.status("model", keyframe_mode="concurrent", building="")
    assert status.level == DiagnosticStatus.OK
    go_on.set()
    while len(bench.received["keyframe"]) == told:
        sent.append(bench.image(len(sent)))
        bench.answer(sent[-1])
    keyframe = bench.received["keyframe"][told]
    headers = {stamp_of(image): image.header for image in sent}
    # The frame that the slow network saw, and not the one that is answered with it now.
    assert keyframe == headers[stamp_of(keyframe)]
    assert stamp_of(keyframe) < stamp_of(sent[-1])


def test_a_slow_network_that_fails_is_told_and_the_fast_one_goes_on(bench, monkeypatch) -> None:
    sources = EagerEngine.sources

    def fail(self, image, *, precision):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(EagerEngine, "sources", fail)
    for seed in range(8):
        image = bench.image(seed)
        assert bench.answer(image).header == image.header
    status = bench.wait(
        lambda: (
            (found := bench.diagnostics.get("mila: keyframes"))
            and found.level == DiagnosticStatus.ERROR
            and found
        )
    )
    assert status.message == (
        "camera: the slow network failed: OutOfMemoryError: out of memory; "
        "frames go on with the keyframe that they have"
    )
    monkeypatch.setattr(EagerEngine, "sources", sources)

    def is_well():
        bench.answer(bench.image())
        return bench.diagnostics["mila: keyframes"].level == DiagnosticStatus.OK

    bench.wait(is_well)
    assert bench.status("input camera", state="ok", **{"resets.start": "1"})


def test_deactivation_discards_and_the_thread_ends_with_the_model(bench, held) -> None:
    """While the slow network is at work."""
    begun, go_on = held
    before = []
    while not begun.is_set():
        before.append(bench.image())
        bench.answer(before[-1])
    assert bench.change("deactivate")
    assert bench.change("activate")
    bench.connect()
    go_on.set()
    for _ in range(8):
        bench.answer(bench.image())
    told = bench.wait(lambda: bench.received["keyframe"])
    assert not {stamp_of(header) for header in told} & {stamp_of(image) for image in before}
    assert bench.change("deactivate")
    assert bench.change("cleanup")
    bench.wait(lambda: "keyframes" not in {thread.name for thread in threading.enumerate()})


def test_the_threshold_of_evidence_may_change_at_any_time(bench) -> None:
    assert bench.set("keyframe_policy", "adaptive") == ""
    for threshold in (0.5, 0.8):
        assert bench.set("keyframe_evidence", threshold) == ""
        bench.answer(bench.image())
        policy = bench.node._pipeline.perception.keyframes
        assert isinstance(policy, Adaptive) and policy.threshold == threshold
    assert "keyframe_mode is read when the node is configured" in bench.set(
        "keyframe_mode", "blocking"
    )


# The operator that is compiled beside the frames


@pytest.fixture
def prepared(monkeypatch):
    """As on a machine with a compiler where nothing has been compiled yet; what was called."""
    called = []
    monkeypatch.delenv(backends.ENVIRONMENT_VARIABLE)
    monkeypatch.setattr(attention, "local_attention_in_use", lambda _: "tiles")
    monkeypatch.setattr(attention.shutil, "which", lambda name: f"/usr/bin/{name}")

    def prepare(device):
        called.append((device, threading.current_thread().name))
        return "cpp"

    monkeypatch.setattr(attention, "prepare_local_attention", prepare)
    return called


def test_local_attention_is_compiled_once_when_the_node_is_active(
    make_bench, prepared, capfd
) -> None:
    bench = make_bench()
    assert bench.change("configure") and prepared == []
    assert bench.change("activate")
    bench.wait(lambda: prepared == [("cpu", "compile attention")])
    assert bench.change("deactivate") and bench.change("activate")
    bench.wait(lambda: "Local attention has been compiled" in capfd.readouterr().err)
    assert len(prepared) == 1


@pytest.mark.parametrize(
    "why", ["it is there", "no compiler", "another engine", "a GPU", "switched off", "no attention"]
)
def test_local_attention_is_not_compiled_where_that_is_no_use(
    tiny_model, prepared, monkeypatch, why
) -> None:
    real = Perception.load(tiny_model, device="cpu")
    assert attention.is_wanted(real)
    perception = SimpleNamespace(device=real.device, engine=real.engine, network=real.network)
    if why == "it is there":
        monkeypatch.setattr(attention, "local_attention_in_use", lambda _: "cpp")
    elif why == "no compiler":
        monkeypatch.setattr(attention.shutil, "which", lambda _: None)
    elif why == "another engine":
        perception.engine = SimpleNamespace(name="openvino")
    elif why == "a GPU":
        perception.device = torch.device("cuda")
    elif why == "switched off":
        monkeypatch.setenv(backends.ENVIRONMENT_VARIABLE, "tiles")
    else:
        perception.network = torch.nn.Conv2d(1, 1, 1)
    assert not attention.is_wanted(perception)
    attention.prepare_attention(perception, print)
    assert prepared == []
