# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila export``: what the files say about themselves is enough to run a video through them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mila_ros import cli
from mila_ros.engines import openvino_engine
from mila_ros.engines.flat import FlatFunction
from mila_ros.export_command import _describe, steps
from mila_ros.networks import build_network
from mila_ros.streaming import load_bundle
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION

Arrays = dict[str, NDArray[np.float32]]
KEYFRAMES = (True, False, False, True, True, False)


def onnxruntime_session(path: Path) -> Callable[[Arrays], Arrays]:
    module = pytest.importorskip(
        "onnxruntime", reason="an engine of one's choice; pip install onnxruntime"
    )
    session = module.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))


def openvino_session(path: Path) -> Callable[[Arrays], Arrays]:
    model = (
        openvino_engine.import_openvino()
        .Core()
        .compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )

    def run(inputs: Arrays) -> Arrays:
        results = model(inputs)
        return {port.any_name: results[port] for port in model.outputs}

    return run


SESSIONS = {"onnx": onnxruntime_session, "openvino": openvino_session}


@pytest.mark.parametrize("format_", SESSIONS)
def test_the_files_and_their_description_run_a_video(
    format_: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if format_ == "openvino" and not openvino_engine.is_there():
        pytest.skip("openvino is not installed")
    if format_ == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name, reason=f"an engine needs it; pip install {name}")
    out = tmp_path / "new" / "folder"
    words = ["export", "--model", bundle, "--format", format_, "--out", out]
    words += ["--tasks", "depth", "--size", "48x32"]
    assert cli.main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out.splitlines()
    document = json.loads((out / "export.json").read_text())
    assert printed == [
        *(str(out / g["file"]) for g in document["graphs"]),
        str(out / "export.json"),
    ]
    assert [task["name"] for task in document["tasks"]] == ["depth"]
    assert [graph["kind"] for graph in document["graphs"]] == [
        "keyframe", "frame", "frame", "keyframe",
    ]  # fmt: skip
    sessions = [SESSIONS[format_](out / graph["file"]) for graph in document["graphs"]]
    _, network = load_bundle(bundle)
    generator = torch.Generator().manual_seed(3)
    expected_state, state = None, {}
    for keyframe in KEYFRAMES:
        image = torch.randn(1, 3, 32, 48, generator=generator)
        with torch.inference_mode():
            expected, expected_state = network(
                image, expected_state, keyframe=keyframe, tasks=["depth"]
            )
        # As the description tells it.
        given: Arrays = {"in/image": image.numpy(), **state}
        number = fitting(document["graphs"], keyframe, given)
        graph = document["graphs"][number]
        inputs = {port["name"]: given[port["name"]] for port in graph["inputs"]}
        for port in graph["inputs"]:
            assert list(inputs[port["name"]].shape) == port["shape"]
        outputs = sessions[number](inputs)
        assert {name: list(array.shape) for name, array in outputs.items()} == {
            port["name"]: port["shape"] for port in graph["outputs"]
        }
        depth = torch.from_numpy(outputs["out/logits/depth"])
        torch.testing.assert_close(depth, expected["depth"], rtol=1e-4, atol=1e-4)
        known = given | outputs
        state = {name: known[origin] for name, origin in graph["next_state"].items()}


def fitting(graphs: list[dict[str, Any]], keyframe: bool, given: dict[str, Any]) -> int:
    """The graph of that kind whose inputs are there, the one with the most inputs."""
    kind = "keyframe" if keyframe else "frame"
    _, number = max(
        (len(graph["inputs"]), number)
        for number, graph in enumerate(graphs)
        if graph["kind"] == kind and {port["name"] for port in graph["inputs"]} <= given.keys()
    )
    return number


@pytest.mark.parametrize("tasks", [("motion",), ("depth", "motion")])
@pytest.mark.parametrize("keyframes", ["11111", "1101001110"])
@torch.inference_mode()
def test_motion_is_seen_from_keyframe_to_keyframe_too(
    tasks: tuple[str, ...], keyframes: str
) -> None:
    """Also where every frame is a keyframe. By the description, with the graphs as they are."""
    torch.manual_seed(0)
    network = build_network(
        "mila", [DEPTH, MOTION], slow="resnet18", slow_width=4, fast_width=4, channels=8,
        decoder_channels=(8, 8), attention_channels=4, correspondence_channels=4,
    ).eval()  # fmt: skip
    named = dict(steps(network, tasks, 32, 64))
    assert list(named) == ["keyframe_first", "frame_first", "frame", "keyframe", "keyframe_second"]
    assert named["keyframe_second"].inputs == ("image", "state/key/motion/patches")
    functions = list(named.values())
    graphs = [_describe(function) for function in functions]
    generator = torch.Generator().manual_seed(3)
    expected_state, state, taken = None, {}, set()
    for kind in keyframes:
        image = torch.randn(1, 3, 32, 64, generator=generator)
        expected, expected_state = network(image, expected_state, keyframe=kind == "1", tasks=tasks)
        given = {"in/image": image, **state}
        number = fitting(graphs, kind == "1", given)
        taken.add(list(named)[number])
        inputs = [given[port["name"]] for port in graphs[number]["inputs"]]
        names = [port["name"] for port in graphs[number]["outputs"]]
        outputs = dict(zip(names, functions[number](*inputs), strict=True))
        for task in tasks:
            assert torch.equal(outputs[f"out/logits/{task}"], expected[task])
        known = given | outputs
        state = {name: known[origin] for name, origin in graphs[number]["next_state"].items()}
    assert taken == ({"keyframe_first", "keyframe_second"} if "0" not in keyframes else set(named))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("multi_task", {"encoder": "resnet18", "width": 4, "decoder_channels": (12, 8)},
         {"keyframe_first": 1}),
        ("multinet", {"encoder": "resnet18", "width": 4}, {"keyframe_first": 1, "keyframe": 4}),
    ],
)  # fmt: skip
def test_networks_without_two_kinds_of_frames_have_fewer_graphs(
    name: str, arguments: dict[str, Any], expected: dict[str, int]
) -> None:
    network = build_network(name, [SEGMENTATION, DEPTH], **arguments).eval()
    found: dict[str, FlatFunction] = dict(steps(network, ("segmentation", "depth"), 32, 64))
    assert {key: len(function.inputs) for key, function in found.items()} == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tasks", "depth", "normals"], "the model tiny has no task 'normals'; it has depth,"),
        (["--out", "{file}/below"], "{file}/below cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: list[str], said: str, bundle: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("mila_ros.export_command._writer", lambda format_: None)
    file = tmp_path / "file"
    file.write_text("")
    words = [word.format(file=file) for word in words]
    assert cli.main(["export", "--model", str(bundle), "--out", str(tmp_path / "o"), *words]) == 1
    assert capsys.readouterr().err.startswith(f"mila export: {said.format(file=file)}")


@pytest.mark.parametrize("size", ["256", "250x512"])
def test_a_size_that_is_none_is_status_2(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["export", "--model", "m", "--out", "o", "--size", size])
    assert exit_.value.code == 2 and "is not a size" in capsys.readouterr().err
