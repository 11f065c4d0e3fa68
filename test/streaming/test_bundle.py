# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model bundles: what is written comes back, and what is wrong is refused with a sentence."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import TINY_CLASSES, make_tiny_bundle, tiny_description, tiny_network
from safetensors.torch import load_file, save_file

from mila_ros.errors import BundleError, MilaError
from mila_ros.streaming import bundle as bundle_module
from mila_ros.streaming import load_bundle, read_bundle, save_bundle, verify_bundle
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION

Document = dict[str, Any]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def damaged(original: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def edit(directory: Path, change: Callable[[Document], Any]) -> None:
    path = directory / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rewrite_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Other weights with the right hash."""
    path = directory / "weights.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(directory, lambda d: d["weights"].update(sha256=digest))


def refused(directory: Path, load: Callable[[Path], Any] = load_bundle) -> str:
    """The message, which must be one sentence that names the file."""
    with pytest.raises(BundleError) as caught:
        load(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(directory))
    return message


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


def drop_one(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["slow.conv1.weight"]


def add_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors["extra"] = torch.zeros(2, dtype=torch.float16)


def reshape_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors["slow.bn1.weight"] = torch.zeros(9, dtype=torch.float16)


def not_a_number(tensors: dict[str, torch.Tensor]) -> None:
    tensors["slow.bn1.weight"][3] = float("nan")


def infinite(tensors: dict[str, torch.Tensor]) -> None:
    tensors["slow.bn1.running_var"][3] = float("inf")


def wider(tensors: dict[str, torch.Tensor]) -> None:
    tensors["slow.bn1.weight"] = tensors["slow.bn1.weight"].float()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            drop_one,
            "1 weights do not fit the network in model.json; the first is slow.conv1.weight",
        ),
        (add_one, "the first is extra: here [2], in the network missing"),
        (reshape_one, "slow.bn1.weight: here [9], in the network [8]"),
        (not_a_number, "weight slow.bn1.weight is not finite"),
        (infinite, "weight slow.bn1.running_var is not finite"),
        (wider, "weight slow.bn1.weight is F32, but model.json says F16"),
    ],
)
def test_wrong_weights_are_refused(
    damaged: Path, change: Callable[[dict[str, torch.Tensor]], Any], expected: str
) -> None:
    rewrite_weights(damaged, change)
    assert expected in refused(damaged)


def flip_last_byte(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (flip_last_byte, "its sha256 is not the one in model.json"),
        (lambda content: content[:-1], "not a safetensors file"),
        (lambda content: content + b"\0", "not a safetensors file"),
        (lambda content: b"", "not a safetensors file"),
        (lambda content: b"\xff" * 8 + content[8:], "not a safetensors file"),
        (lambda content: b"\x80\x04." + content, "not a safetensors file"),
    ],
)
def test_a_damaged_weights_file_is_refused(
    damaged: Path, damage: Callable[[bytes], bytes], expected: str
) -> None:
    path = damaged / "weights.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    assert expected in refused(damaged)


def test_missing_weights(damaged: Path) -> None:
    (damaged / "weights.safetensors").unlink()
    assert "weights.safetensors: no such file; get the complete bundle again" in refused(damaged)


def test_weights_that_are_a_folder(damaged: Path) -> None:
    (damaged / "weights.safetensors").unlink()
    (damaged / "weights.safetensors").mkdir()
    assert refused(damaged)


def test_weights_larger_than_the_limit(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_WEIGHTS_BYTES", 1000)
    assert "more than the limit of 1000" in refused(damaged)


def test_nothing_is_read_before_the_shapes_fit(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_weights(damaged, reshape_one)
    monkeypatch.setattr(bundle_module, "load_file", pytest.fail)
    monkeypatch.setattr(bundle_module.hashlib, "sha256", pytest.fail)
    assert "slow.bn1.weight" in refused(damaged)


def test_no_such_bundle(tmp_path: Path) -> None:
    with pytest.raises(MilaError, match="there is no model"):
        load_bundle(tmp_path / "nowhere")


def without(key: str) -> Document:
    description = tiny_description()
    del description[key]
    return description


@pytest.mark.parametrize(
    ("description", "dtype", "expected"),
    [
        (without("labels"), "float16", 'key "labels" is missing'),
        (tiny_description() | {"keyframes": {"every": 0}}, "float16", "keyframes.every must be"),
        (tiny_description() | {"accuracy": {"miou": float("nan")}}, "float16", "as JSON"),
        (tiny_description() | {"training": {"at": Path()}}, "float16", "as JSON"),
        (tiny_description(["depth", "motion"]), "float16", "do not fit the network"),
        (tiny_description(), "int4", "weights.dtype must be one of"),
    ],
)
def test_what_would_not_load_is_not_written(
    tmp_path: Path, description: Document, dtype: str, expected: str
) -> None:
    before = copy.deepcopy(description)
    with pytest.raises(BundleError, match=expected):
        save_bundle(tmp_path / "new", tiny_network(), description, dtype)
    assert not (tmp_path / "new").exists()
    assert repr(description) == repr(before)


def test_weights_beyond_the_range_of_float16_are_not_written(tmp_path: Path) -> None:
    network = tiny_network()
    network.slow.bn1.running_var[2] = 1e5
    with pytest.raises(BundleError, match=r"slow\.bn1\.running_var is not finite in float16"):
        save_bundle(tmp_path / "new", network, tiny_description())
    assert not (tmp_path / "new").exists()
    save_bundle(tmp_path / "new", network, tiny_description(), "float32")
    assert load_bundle(tmp_path / "new")[1].slow.bn1.running_var[2] == 1e5
