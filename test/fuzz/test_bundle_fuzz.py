# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles changed anywhere: the same model, or a BundleError that names the file; nothing else."""

from __future__ import annotations

import copy
import inspect
import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import make_tiny_bundle, tiny_description
from hypothesis import given
from hypothesis import strategies as st

from mila_ros.errors import BundleError, MilaError
from mila_ros.networks import NETWORKS
from mila_ros.paths import find_model
from mila_ros.streaming import bundle as bundle_module
from mila_ros.streaming import load_bundle
from mila_ros.streaming.description import Bundle, parse_description
from mila_ros.streaming.json_fields import decode

SECONDS = 10.0  # of computing, for one bundle; the tiny one takes some hundredths
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([0, 1, 255, 256, "depth", "softmax", "resnet34", "../../x", "\0", []]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=6,
)
DESCRIPTION = tiny_description() | {"weights": {"sha256": "0" * 64, "dtype": "float16"}}
ARGUMENTS = {
    argument
    for network in NETWORKS.values()
    for argument in inspect.signature(network).parameters
    if argument != "tasks"
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, child in inner:
        found += places(child, (*path, key)) if isinstance(child, dict | list) else [(*path, key)]
    return found


PLACES = places(DESCRIPTION)


@st.composite
def changed_descriptions(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(DESCRIPTION)
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from(PLACES))
        parent = document
        try:
            for step in path:
                parent = parent[step]
            kind = draw(st.sampled_from(["set", "delete", "add", "twice"]))
            if kind == "set":
                parent[key] = draw(JSON)
            elif kind == "delete":
                del parent[key]
            elif kind == "add" and isinstance(parent, dict):
                parent[draw(st.text(max_size=6))] = draw(JSON)
            elif isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken the place away
    return document


@given(changed_descriptions())
def test_any_description_is_read_as_it_is_or_refused(document: dict[str, Any]) -> None:
    try:
        bundle = parse_description(decode(json.dumps(document)))
    except BundleError as error:
        assert 0 < len(str(error)) < 500 and "\n" not in str(error)
        return
    assert isinstance(bundle, Bundle)
    assert bundle.document == document
    assert [label.id for label in bundle.labels] == list(range(len(bundle.labels)))
    assert all(0 < side <= 4096 and side % 8 == 0 for side in bundle.input_size)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")) | JSON)
def test_any_text_is_json_or_refused(value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        found = decode(text)
    except BundleError as error:
        assert str(error)
        return
    assert found == json.loads(text)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("fuzz") / "tiny")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "damaged"
    folder.mkdir()
    return folder


def load(folder: Path, description: bytes, weights: bytes) -> bool:
    """Whether it loads; a refusal names a file of the bundle, and takes no longer than a model."""
    (folder / "model.json").write_bytes(description)
    (folder / "weights.safetensors").write_bytes(weights)
    begin = time.process_time()
    try:
        load_bundle(folder)
    except BundleError as error:
        assert str(error).startswith(str(folder))
        assert time.process_time() - begin < SECONDS
        return False
    return True


@given(
    st.sampled_from(sorted(NETWORKS)),
    st.dictionaries(st.sampled_from(sorted(ARGUMENTS)), JSON, max_size=3),
)
def test_any_arguments_build_a_network_or_are_refused(
    original: Path, damaged: Path, name: str, arguments: dict[str, Any]
) -> None:
    document = json.loads((original / "model.json").read_text())
    is_own = name == "mila" and bool(arguments)
    own = document["network"]["arguments"] if is_own else {}
    document["network"] = {"name": name, "arguments": own | arguments}
    weights = (original / "weights.safetensors").read_bytes()
    try:
        text = json.dumps(document, allow_nan=False).encode()
    except ValueError:
        return
    loads = load(damaged, text, weights)
    assert not loads or name == "mila"


@st.composite
def damages(draw: st.DrawFn) -> tuple[float, bytes, int]:
    """Where, in parts of the header or the file; what is put there; how much it replaces."""
    return draw(st.floats(0, 1)), draw(st.binary(max_size=9)), draw(st.integers(0, 9))


@given(damages(), st.sampled_from(["length", "header", "data"]))
def test_any_damage_to_the_weights_is_found(
    original: Path, damaged: Path, damage: tuple[float, bytes, int], where: str
) -> None:
    content = (original / "weights.safetensors").read_bytes()
    (header_size,) = struct.unpack_from("<Q", content)
    low, high = {
        "length": (0, 8),
        "header": (8, 8 + header_size),
        "data": (8 + header_size, len(content)),
    }[where]
    part, new, replaced = damage
    at = low + int(part * (high - low))
    changed = content[:at] + new + content[at + replaced :]
    loads = load(damaged, (original / "model.json").read_bytes(), changed)
    assert loads == (changed == content)


@given(st.dictionaries(st.text(max_size=9), JSON, max_size=4), st.binary(max_size=40))
def test_any_header_is_refused(
    original: Path, damaged: Path, header: dict[str, Any], data: bytes
) -> None:
    """As a file of another network would be, which the header alone gives away."""
    text = json.dumps(header).encode()
    weights = struct.pack("<Q", len(text)) + text + data
    assert not load(damaged, (original / "model.json").read_bytes(), weights)


@given(st.text(max_size=300))
def test_any_name_is_a_model_or_refused(name: str) -> None:
    try:
        assert (find_model(name) / "model.json").is_file()
    except MilaError as error:
        assert str(error)


def test_the_limits_are_those_that_the_properties_rely_on() -> None:
    assert bundle_module.MAX_DESCRIPTION_BYTES == 1 << 20
    assert len(ARGUMENTS) > 10
