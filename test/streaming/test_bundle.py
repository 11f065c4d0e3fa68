# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model bundles: what is written comes back, and what is wrong is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_bench import Document, edit, refused
from helpers import TINY_CLASSES, make_tiny_bundle, tiny_description, tiny_network

from mila_ros.errors import MilaError
from mila_ros.streaming import load_bundle, read_bundle, save_bundle, verify_bundle
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION


def test_the_description_comes_back(original: Path) -> None:
    bundle = read_bundle(original)
    assert bundle.name == "tiny"
    assert bundle.tasks == (SEGMENTATION.with_channels(TINY_CLASSES), DEPTH, MOTION)
    assert [label.id for label in bundle.labels] == list(range(TINY_CLASSES))
    assert bundle.labels[0].color == (255, 0, 0)
    assert bundle.input_size == (64, 128)
    assert bundle.input.mean == (0.485, 0.456, 0.406)
    assert bundle.depth is not None and bundle.depth.metric
    assert (bundle.depth.min_m, bundle.depth.max_m) == (0.5, 100.0)
    assert bundle.motion_threshold == 0.5
    assert bundle.keyframe_every == 3
    assert bundle.weights_dtype == "float16"
    assert bundle.document == tiny_description() | {"weights": bundle.document["weights"]}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_weights_come_back(tmp_path: Path, dtype: str) -> None:
    network = tiny_network()
    save_bundle(tmp_path, network, tiny_description(), dtype)
    _, loaded = load_bundle(tmp_path)
    expected = {
        name: tensor if name.endswith("batches_tracked") else tensor.to(getattr(torch, dtype))
        for name, tensor in network.state_dict().items()
    }
    state = loaded.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        if not name.endswith("batches_tracked"):
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, expected[name].float()), name
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_loading_draws_no_random_numbers(original: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_bundle(original)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "tasks", [["segmentation"], ["depth"], ["motion", "normals"], ["depth", "segmentation"]]
)
def test_sections_go_with_their_tasks(tmp_path: Path, tasks: list[str]) -> None:
    bundle = verify_bundle(make_tiny_bundle(tmp_path, tasks))
    assert bundle.task_names == tuple(tasks)
    assert bool(bundle.labels) == ("segmentation" in tasks)
    assert bool(bundle.depth) == ("depth" in tasks)
    assert bool(bundle.motion_threshold) == ("motion" in tasks)


def test_labels_are_sorted_by_id(damaged: Path) -> None:
    edit(damaged, lambda d: d["labels"].reverse())
    assert [label.id for label in read_bundle(damaged).labels] == list(range(TINY_CLASSES))


WRONG_DESCRIPTIONS: dict[str, tuple[Callable[[Document], Any], str]] = {
    "unknown key": (lambda d: d.update(colour=1), 'unknown key "colour"; remove it'),
    "missing key": (lambda d: d.pop("keyframes"), 'key "keyframes" is missing; add it'),
    "unknown inner key": (lambda d: d["input"].update(depth=3), 'unknown key "depth" in input'),
    "missing inner key": (lambda d: d["weights"].pop("sha256"), '"sha256" is missing in weights'),
    "no format": (lambda d: d.pop("format_version"), 'key "format_version" is missing'),
    "newer format": (lambda d: d.update(format_version=2), "update mila_ros"),
    "older format": (lambda d: d.update(format_version=0), "format_version must be"),
    "format as text": (lambda d: d.update(format_version="1"), "format_version must be"),
    "format as bool": (lambda d: d.update(format_version=True), "format_version must be"),
    "name with space": (lambda d: d.update(name="my model"), "name must be lower-case letters"),
    "name with newline": (lambda d: d.update(name="tiny\n"), "name must be lower-case letters"),
    "network as text": (lambda d: d.update(network="mila"), "network must be an object"),
    "unknown network": (lambda d: d["network"].update(name="yolo"), "unknown network 'yolo'"),
    "unknown argument": (lambda d: d["network"]["arguments"].update(size=3), "'size'"),
    "argument tasks": (lambda d: d["network"]["arguments"].update(tasks=[]), "'tasks'"),
    "unknown encoder": (lambda d: d["network"]["arguments"].update(slow="vgg"), "'vgg'"),
    "encoder as list": (lambda d: d["network"]["arguments"].update(slow=[]), "cannot be built"),
    "width as text": (lambda d: d["network"]["arguments"].update(channels="9"), "cannot be built"),
    "width zero": (lambda d: d["network"]["arguments"].update(se_reduction=0), "cannot be built"),
    "huge width": (
        lambda d: d["network"]["arguments"].update(channels=10**15),
        "cannot be built",
    ),
    "wider network": (
        lambda d: d["network"]["arguments"].update(slow_width=10**6),
        "do not fit the network",
    ),
    "no tasks": (lambda d: d.update(tasks=[]), "tasks must be a list with at least one entry"),
    "tasks as object": (lambda d: d.update(tasks={}), "tasks must be a list"),
    "task as text": (lambda d: d.update(tasks=["depth"]), r"tasks[0] must be an object"),
    "unknown task": (lambda d: d["tasks"][0].update(name="flow"), "tasks[0].name must be one of"),
    "task twice": (lambda d: d["tasks"].append(d["tasks"][0]), "segmentation occurs twice"),
    "wrong activation": (
        lambda d: d["tasks"][1].update(activation="softmax"),
        "tasks[1].activation must be one of",
    ),
    "wrong channels": (lambda d: d["tasks"][1].update(channels=2), "tasks[1].channels must be"),
    "too many classes": (lambda d: d["tasks"][0].update(channels=256), "from 2 to 255"),
    "no labels": (lambda d: d.pop("labels"), 'key "labels" is missing; the task segmentation'),
    "depth without task": (lambda d: d["tasks"].pop(1), 'key "depth" belongs to the task depth'),
    "label missing": (lambda d: d["labels"].pop(), "labels has 4 entries and the task segm"),
    "label id twice": (lambda d: d["labels"][1].update(id=0), "labels[1]: the id 0 or the name"),
    "label name twice": (lambda d: d["labels"][1].update(name="class_0"), "occurs twice"),
    "label id too high": (lambda d: d["labels"][4].update(id=5), "a whole number from 0 to 4"),
    "label name empty": (lambda d: d["labels"][0].update(name=""), "labels[0].name must be a text"),
    "color too bright": (lambda d: d["labels"][0].update(color=[0, 0, 256]), "from 0 to 255"),
    "color of two": (lambda d: d["labels"][0].update(color=[0, 0]), "three whole numbers"),
    "height zero": (lambda d: d["input"].update(height=0), "input.height must be a whole number"),
    "width huge": (lambda d: d["input"].update(width=10**9), "input.width must be a whole number"),
    "height odd": (lambda d: d["input"].update(height=60), "60x128 must be multiples of 8"),
    "height real": (lambda d: d["input"].update(height=64.0), "input.height must be a whole"),
    "two means": (lambda d: d["input"].update(mean=[0, 0]), "input.mean must be three numbers"),
    "std zero": (lambda d: d["input"].update(std=[1, 0, 1]), "input.std must be three numbers"),
    "metric as number": (lambda d: d["depth"].update(metric=1), "depth.metric must be true or"),
    "min zero": (lambda d: d["depth"].update(min_m=0), "depth.min_m must be a number above 0"),
    "max below min": (lambda d: d["depth"].update(max_m=0.4), "depth.max_m must be a number above"),
    "focal": (lambda d: d["depth"].update(canonical_focal_px=-1), "canonical_focal_px must be"),
    "fov": (lambda d: d["depth"].update(assumed_hfov_deg=180), "between 0 and 180"),
    "threshold": (lambda d: d["motion"].update(threshold=1), "motion.threshold must be a number"),
    "every zero": (lambda d: d["keyframes"].update(every=0), "keyframes.every must be a whole"),
    "training": (lambda d: d.update(training=None), "training must be an object, not null"),
    "hash": (lambda d: d["weights"].update(sha256="0"), "64 hexadecimal digits"),
    "dtype": (lambda d: d["weights"].update(dtype="int8"), "weights.dtype must be one of"),
    "other dtype": (lambda d: d["weights"].update(dtype="float32"), "is F16, but model.json"),
    "other hash": (lambda d: d["weights"].update(sha256="0" * 64), "its sha256 is not the one"),
}


@pytest.mark.parametrize("kind", WRONG_DESCRIPTIONS)
def test_a_wrong_description_is_refused(damaged: Path, kind: str) -> None:
    change, expected = WRONG_DESCRIPTIONS[kind]
    edit(damaged, change)
    assert expected in refused(damaged)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "the file must be an object, not []"),
        ("null", "the file must be an object, not null"),
        ('{"name": 1, "name": 1}', 'key "name" occurs twice'),
        ('{"name": NaN}', "NaN is no number"),
        ('{"name": -Infinity}', "-Infinity is no number"),
        ("[" * 100_000, "nested too deeply"),
        (" " * (1 << 20) + "{}", "1048578 bytes are more than the limit of 1048576"),
    ],
)
def test_a_file_that_is_no_description(damaged: Path, text: str, expected: str) -> None:
    (damaged / "model.json").write_text(text)
    assert expected in refused(damaged, read_bundle)


def test_a_description_in_another_encoding(damaged: Path) -> None:
    (damaged / "model.json").write_bytes('{"name": "größe"}'.encode("latin-1"))
    assert "not UTF-8" in refused(damaged, read_bundle)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1e999", "depth.max_m must be a number"),
        ("9" * 400, "depth.max_m must be a number"),
        ("9" * 5000, ""),  # not even an integer to some Pythons
    ],
)
def test_a_number_beyond_all_bounds(damaged: Path, number: str, expected: str) -> None:
    text = (damaged / "model.json").read_text().replace('"max_m": 100.0', f'"max_m": {number}')
    (damaged / "model.json").write_text(text)
    assert expected in refused(damaged, read_bundle)


def test_no_such_bundle(tmp_path: Path) -> None:
    with pytest.raises(MilaError, match="there is no model"):
        load_bundle(tmp_path / "nowhere")
