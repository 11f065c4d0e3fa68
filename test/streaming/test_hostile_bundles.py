# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles made to do harm: refused with a sentence, in time, with nothing run and nothing written.

What is merely wrong about a bundle is in `test_bundle`, what is changed at random in ``test/fuzz``.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import make_tiny_bundle
from safetensors.torch import load_file, save_file

from mila_ros.errors import BundleError, MilaError
from mila_ros.models import _describe
from mila_ros.paths import find_model
from mila_ros.streaming import load_bundle, read_bundle

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0  # of computing; each takes some tenths


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "bundle")


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def refused(bundle: Path) -> str:
    begin = time.process_time()
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle)
    assert time.process_time() - begin < SECONDS
    sentence = str(caught.value)
    assert sentence.startswith(str(bundle)) and "\n" not in sentence and len(sentence) < 600
    return sentence


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_payload_is_one(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "run")))
    assert (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["pickle", "torch.save", "beside the weights"])
def test_a_pickle_is_not_run(bundle: Path, tmp_path: Path, kind: str) -> None:
    payload, weights = Payload(tmp_path / "run"), bundle / "weights.safetensors"
    if kind == "pickle":
        weights.write_bytes(pickle.dumps(payload))
    elif kind == "torch.save":
        torch.save({"slow.conv1.weight": payload}, weights)
    else:
        for name in ("weights.pt", "pytorch_model.bin", "model.pkl", "data.pkl"):
            (bundle / name).write_bytes(pickle.dumps(payload))
        (bundle / "model.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    before = everything(tmp_path)
    if kind == "beside the weights":
        load_bundle(bundle)
    else:
        assert "not a safetensors file" in refused(bundle)
    assert everything(tmp_path) == before and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name", ["../../run", "/tmp/run", "a/b", "..", "a\0b", "$(touch run)", "~"]
)
@pytest.mark.parametrize("where", ["name", "network"])
def test_a_path_for_a_name_is_refused(bundle: Path, tmp_path: Path, where: str, name: str) -> None:
    def change(document: dict[str, Any]) -> None:
        if where == "name":
            document["name"] = name
        else:
            document["network"]["name"] = name

    edit(bundle, change)
    before = everything(tmp_path)
    refused(bundle)
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/dev/zero", "a" * 5000, "~no_such_user/m", "\0"]
)
def test_a_model_is_found_by_name_or_folder_alone(name: str) -> None:
    with pytest.raises(MilaError):
        find_model(name)


LOAD_ALL = """
import sys
from mila_ros.errors import MilaError
from mila_ros.streaming import load_bundle
for bundle in sys.argv[1:]:
    try:
        load_bundle(bundle)
    except MilaError as error:
        print(error)
"""


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    """In a process of its own, which must end: reading a pipe would wait for ever."""
    original, bundles = make_tiny_bundle(tmp_path / "tiny"), []
    for file in ("weights.safetensors", "model.json"):
        for kind in ("pipe", "device", "itself", "nowhere"):
            bundles.append(Path(shutil.copytree(original, tmp_path / f"{kind}_{file}")))
            path = bundles[-1] / file
            path.unlink()
            if kind == "pipe":
                os.mkfifo(path)
            else:
                path.symlink_to({"device": "/dev/zero", "itself": path, "nowhere": "x"}[kind])
    command = [sys.executable, "-c", LOAD_ALL, *map(str, bundles)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    sentences = result.stdout.splitlines()
    assert len(sentences) == len(bundles)
    for bundle, sentence in zip(bundles, sentences, strict=True):
        assert str(bundle) in sentence


def header(bundle: Path, text: str, claimed: int | None = None) -> None:
    """A weights file of this header and no data."""
    content = text.encode()
    size = struct.pack("<Q", len(content) if claimed is None else claimed)
    (bundle / "weights.safetensors").write_bytes(size + content)


HUGE = {"dtype": "F16", "shape": [2**31, 2**31], "data_offsets": [0, 2**63]}
HEADERS: dict[str, tuple[str, int | None]] = {
    "a tensor of 2^62 numbers": (json.dumps({"slow.conv1.weight": HUGE}), None),
    "a shape that overflows": (json.dumps({"x": {**HUGE, "shape": [2**40] * 3}}), None),
    "a negative shape": (json.dumps({"x": {**HUGE, "shape": [-1]}}), None),
    "data before the start": (json.dumps({"x": {**HUGE, "data_offsets": [-8, 0]}}), None),
    "a header of 2^60 bytes": ("{}", 2**60),
    "no header": ("", 0),
    "a name twice": ('{"x": %s, "x": %s}' % ((json.dumps(HUGE),) * 2), None),
    "nested deeply": ("[" * 50_000, None),
    "not a text": ("\xff\xfe", None),
    "20 000 tensors": (
        json.dumps({f"t{i}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}
                    for i in range(20_000)}),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_a_lying_header_is_refused_before_memory_is_taken(bundle: Path, kind: str) -> None:
    text, claimed = HEADERS[kind]
    header(bundle, text, claimed)
    assert "weights.safetensors" in refused(bundle)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "a window of 2^60 + 1": {"window": 2**60 + 1},
    "a window of 99999": {"window": 99_999},
    "channels beyond memory": {"channels": 10**12},
    "more layers than there are": {"decoder_channels": [16] * 20_000},
    "code": {"slow": "__import__('os').system('touch run')"},
    "a path": {"slow": "../../weights.pt"},
    "another's attribute": {"__class__": "Payload"},
    "infinity": {"channels": 1e308},
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_arguments_beyond_reason_are_refused(bundle: Path, kind: str) -> None:
    edit(bundle, lambda document: document["network"]["arguments"].update(ARGUMENTS[kind]))
    refused(bundle)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_poison_the_output_are_refused(bundle: Path, value: float) -> None:
    path = bundle / "weights.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[-1]
    tensors[name].view(-1)[-1] = value
    save_file(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(bundle, lambda document: document["weights"].update(sha256=digest))
    assert f"weight {name} is not finite" in refused(bundle)


def test_control_characters_do_not_reach_the_terminal(bundle: Path) -> None:
    escape = "\x1b]0;owned\x07"
    edit(bundle, lambda document: document["labels"][0].update(name=f"road{escape}"))
    assert "\x1b" not in refused(bundle)
    edit(bundle, lambda document: document["labels"][0].update(name="road"))
    edit(bundle, lambda document: document["training"].update({f"at{escape}": [escape]}))
    shown = _describe(bundle, dict(read_bundle(bundle).document))
    assert "road" in shown and "\x1b" not in shown and "\x07" not in shown
