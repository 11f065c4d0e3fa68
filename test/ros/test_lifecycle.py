# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's lifecycle: every transition again and again, and configuring that fails and mends."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from perception_bench import as_dict
from sensor_msgs.msg import CompressedImage

from mila_ros.streaming import Perception

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def bring_up(bench) -> None:
    assert bench.change("configure")
    assert bench.change("activate")
    assert bench.state() == "active"


def test_statuses_bear_the_nodes_namespace(make_bench) -> None:
    """/diagnostics is one topic for all robots."""
    bench = make_bench({"namespace": "robot"})
    bring_up(bench)
    names = {"robot/mila: input camera", "robot/mila: processing", "robot/mila: keyframes"}
    bench.wait(lambda: set(bench.diagnostics) == names | {"robot/mila: model"})


def test_every_transition_twice_round(make_bench) -> None:
    bench = make_bench()
    assert bench.state() == "unconfigured"
    bench.watch("segmentation/mask", "motion/mask")
    for _ in range(2):
        assert bench.change("configure")
        for _ in range(2):
            assert bench.change("activate")
            bench.connect()
            image = bench.image()
            assert bench.answer(image, "motion/mask").header == image.header
            assert bench.change("deactivate")
            assert bench.state() == "inactive"
            assert bench.client.count_subscribers("/mila/input/image") == 0
        assert bench.change("cleanup")
        assert bench.state() == "unconfigured"
        assert bench.node._pipeline is None
        bench.wait(lambda: bench.client.count_publishers("/mila/segmentation/mask") == 0)


def test_an_inactive_node_answers_nothing_and_starts_afresh_when_active_again(bench) -> None:
    bench.watch("segmentation/mask", "keyframe")
    bench.connect()
    bench.answer(bench.image())
    assert bench.change("deactivate")
    assert bench.diagnostics
    count = len(bench.received["segmentation/mask"])
    (publisher,) = bench._inputs.values()
    publisher.publish(bench.image())
    bench.wait(lambda: as_dict(bench.diagnostics["mila: input camera"])["state"] == "inactive")
    assert len(bench.received["segmentation/mask"]) == count
    assert bench.change("activate")
    bench.connect()
    bench.answer(bench.image())
    assert bench.status("input camera", **{"resets.activated": "1", "state": "ok"})


@pytest.mark.parametrize("damage", ["missing", "hash", "json"])
def test_a_bad_bundle_fails_to_configure_until_corrected(
    make_bench, tiny_model: Path, tmp_path: Path, damage: str, capfd
) -> None:
    model = tmp_path / "model"
    if damage != "missing":
        shutil.copytree(tiny_model, model)
    if damage == "hash":
        weights = bytearray((model / "weights.safetensors").read_bytes())
        weights[-1] ^= 1
        (model / "weights.safetensors").write_bytes(weights)
    if damage == "json":
        document = json.loads((model / "model.json").read_text()) | {"surprise": 1}
        (model / "model.json").write_text(json.dumps(document))
    bench = make_bench(model=str(model))
    for _ in range(2):
        assert not bench.change("configure")
        assert bench.state() == "unconfigured"
    errors = [line for line in capfd.readouterr().err.splitlines() if "[ERROR]" in line]
    assert len(errors) == 2
    assert str(model) in errors[0]
    # While it loads, which takes long on a busy machine, the status names the model as well.
    bench.wait(lambda: bench.status("model").level == DiagnosticStatus.ERROR)
    assert str(model) in bench.status("model").message
    assert bench.set("model", str(tiny_model)) == ""
    bring_up(bench)
    bench.watch("segmentation/mask")
    bench.connect()
    assert bench.status("model", model="tiny").level == DiagnosticStatus.OK


@NO_CUDA
def test_cuda_without_cuda_is_refused_and_mended(make_bench, capfd) -> None:
    bench = make_bench(device="cuda")
    assert not bench.change("configure")
    assert "Cannot configure: the device cuda is not there" in capfd.readouterr().err
    assert bench.set("device", "cpu") == ""
    bring_up(bench)
    assert bench.status("model", device="cpu")


@pytest.mark.parametrize(
    ("named", "sizes"), [([""], [(64, 128)]), (["96x72", "640x480"], [(72, 96), (480, 640)])]
)
def test_the_engine_is_made_ready_for_the_images_that_are_named(
    make_bench, monkeypatch: pytest.MonkeyPatch, named: list[str], sizes: list[tuple[int, int]]
) -> None:
    ready = []
    warm_up = Perception.warm_up

    def spying_warm_up(perception: Perception, height: int, width: int) -> None:
        ready.append((height, width))
        warm_up(perception, height, width)

    monkeypatch.setattr(Perception, "warm_up", spying_warm_up)
    bench = make_bench(image_sizes=named)
    assert bench.change("configure")
    assert ready == sizes


@pytest.mark.parametrize(("engine", "verb"), [("eager", "loading"), ("compile", "building")])
def test_diagnostics_go_on_while_the_model_loads(make_bench, monkeypatch, engine, verb) -> None:
    bench = make_bench(engine=engine)
    load, is_told = Perception.load, threading.Event()

    def slow_load(*arguments, **options):
        assert is_told.wait(20)
        return load(*arguments, **options | {"engine": "eager"})

    monkeypatch.setattr(Perception, "load", slow_load)
    configuring = bench._executors[0].create_task(bench.node.trigger_configure)
    status = bench.wait(
        lambda: (
            (found := bench.diagnostics.get("mila: model"))
            and found.message.startswith(verb)
            and found
        )
    )
    assert status.message.endswith(f" for the engine {engine}")
    assert status.level == DiagnosticStatus.WARN
    is_told.set()
    bench.wait(configuring.done)
    assert bench.status("model", engine="eager").level == DiagnosticStatus.OK


def test_a_bad_parameter_is_refused_and_mended(make_bench, capfd) -> None:
    bench = make_bench(keyframe_policy="sometimes")
    assert not bench.change("configure")
    assert "keyframe_policy is 'sometimes', but takes one of timer" in capfd.readouterr().err
    assert bench.set("keyframe_policy", "every") == ""
    bring_up(bench)


def test_a_bad_qos_override_is_refused_and_named(make_bench, capfd) -> None:
    name = "qos_overrides./mila/depth/image.publisher.reliability"
    bench = make_bench(**{name.replace(".", "__"): "perhaps"})
    assert not bench.change("configure")
    assert "/mila/depth/image cannot be set up" in capfd.readouterr().err
    bench.wait(lambda: bench.client.count_publishers("/mila/segmentation/mask") == 0)
    assert bench.state() == "unconfigured"


def test_a_bad_qos_override_of_an_input_fails_the_activation(make_bench, capfd) -> None:
    name = "qos_overrides./mila/input/image.subscription.reliability"
    bench = make_bench(**{name.replace(".", "__"): "perhaps"})
    bench.run(bench.node.bring_up)
    assert bench.state() == "inactive"
    said = capfd.readouterr().err
    assert "/mila/input/image cannot be set up" in said and "restart it with them corrected" in said
    assert "go on with `ros2 lifecycle set /mila activate`" in said
    assert bench.change("cleanup")


def test_what_the_middleware_refuses_is_not_laid_on_overrides(make_bench, capfd) -> None:
    name = "qos_overrides./mila/depth/image.publisher.depth"
    bench = make_bench(**{name.replace(".", "__"): -3})
    assert not bench.change("configure")
    said = capfd.readouterr().err
    assert "The middleware cannot set up the topic /mila/depth/image (" in said
    assert "If the parameters qos_overrides./mila/depth/image.* are set" in said


def test_an_internal_error_is_logged_and_leads_back_to_unconfigured(
    make_bench, monkeypatch, capfd
) -> None:
    bench = make_bench()
    monkeypatch.setattr("mila_ros.ros.perception_node.CameraOutputs", lambda *_: 1 / 0)
    assert not bench.change("configure")
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert bench.state() == "unconfigured"
    monkeypatch.undo()
    bring_up(bench)


def test_parameters_while_active(bench) -> None:
    assert "deactivate and clean up first" in bench.set("model", "other")
    assert "deactivate and clean up first" in bench.set("device", "cpu")
    assert "read-only" in bench.set("autostart", False)
    assert "one of timer, every" in bench.set("keyframe_policy", "never")
    assert bench.set("keyframe_every", 0) != ""
    assert bench.set("image_timeout_s", 1.0) == ""
    assert bench.change("deactivate")
    assert "clean up first" in bench.set("image_transport", "compressed")
    assert bench.change("cleanup")
    assert bench.set("image_transport", "compressed") == ""
    bring_up(bench)
    assert bench.client.count_subscribers("/mila/input/image/compressed") == 1
    (info,) = bench.client.get_subscriptions_info_by_topic("/mila/input/image/compressed")
    assert info.topic_type == "sensor_msgs/msg/CompressedImage"


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_inputs_follow_remaps(make_bench, transport: str) -> None:
    arguments = {"cli_args": ["--ros-args", "-r", "~/input/image:=/sensors/front/image_raw"]}
    bench = make_bench(arguments, image_transport=transport)
    bring_up(bench)
    topic = "/sensors/front/image_raw" + ("/compressed" if transport == "compressed" else "")
    assert bench.client.count_subscribers(topic) == 1
    assert bench.status("input camera", topic=topic)


def test_compressed_images_can_be_remapped_by_their_own_name(make_bench) -> None:
    arguments = {"cli_args": ["--ros-args", "-r", "~/input/image/compressed:=/web/jpeg"]}
    bench = make_bench(arguments, image_transport="compressed")
    bring_up(bench)
    (info,) = bench.client.get_subscriptions_info_by_topic("/web/jpeg")
    assert info.topic_type == CompressedImage.__module__.split(".")[0] + "/msg/CompressedImage"


def test_bringing_up_works_or_says_how_to_go_on(make_bench, tmp_path, capfd) -> None:
    ready = make_bench()
    ready.run(ready.node.bring_up)
    assert ready.state() == "active"
    ready.close()
    broken = make_bench(model=str(tmp_path))
    broken.run(broken.node.bring_up)
    assert broken.state() == "unconfigured"
    assert "`ros2 lifecycle set /mila configure`" in capfd.readouterr().err


def test_a_transition_that_the_state_does_not_have_is_refused(bench, capfd) -> None:
    answer = bench.node._service_change_state.callback
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    response = bench.run(lambda: answer(request, ChangeState.Response()))
    assert not response.success
    assert bench.state() == "active"
    said = capfd.readouterr().err  # from Kilted on rclpy itself says it
    assert "Transition refused" in said or "Unable to start transition" in said
    bench.watch("segmentation/mask")
    bench.connect()
