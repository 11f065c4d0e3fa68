# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of bundles: what is wrong is refused with a sentence, and not written at all."""

from __future__ import annotations

import copy
import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_bench import Document, edit, refused
from helpers import tiny_description, tiny_network
from safetensors.torch import load_file, save_file

from mila_ros.errors import BundleError
from mila_ros.streaming import bundle as bundle_module
from mila_ros.streaming import load_bundle, save_bundle


def rewrite_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Other weights with the right hash."""
    path = directory / "weights.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(directory, lambda d: d["weights"].update(sha256=digest))


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


@pytest.mark.parametrize("file", ["weights.safetensors", "model.json"])
def test_a_full_disk_leaves_the_bundle_that_was_there(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    before = {path.name: path.read_bytes() for path in damaged.iterdir()}
    sync = bundle_module.os.fsync

    def full(number: int) -> None:
        if file in os.readlink(f"/proc/self/fd/{number}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    monkeypatch.setattr(bundle_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_bundle(damaged, tiny_network(seed=1), tiny_description(name="other"))
    assert {path.name: path.read_bytes() for path in damaged.iterdir()} == before


@pytest.mark.parametrize("writes", [0, 1])
def test_killed_while_it_writes_it_leaves_the_bundle_that_was_there(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    class Killed(BaseException):
        """What nothing catches."""

    sync, left = bundle_module.os.fsync, iter([True] * writes)

    def killed(number: int) -> None:
        if not next(left, False):
            raise Killed
        sync(number)

    with monkeypatch.context() as patch:
        patch.setattr(bundle_module.os, "fsync", killed)
        with pytest.raises(Killed):
            save_bundle(damaged, tiny_network(seed=1), tiny_description(name="other"))
    assert load_bundle(damaged)[0].name == "tiny"
    save_bundle(damaged, tiny_network(seed=1), tiny_description(name="other"))
    assert load_bundle(damaged)[0].name == "other"
    assert {path.name for path in damaged.iterdir()} == {"model.json", "weights.safetensors"}


def test_weights_beyond_the_range_of_float16_are_not_written(tmp_path: Path) -> None:
    network = tiny_network()
    network.slow.bn1.running_var[2] = 1e5
    with pytest.raises(BundleError, match=r"slow\.bn1\.running_var is not finite in float16"):
        save_bundle(tmp_path / "new", network, tiny_description())
    assert not (tmp_path / "new").exists()
    save_bundle(tmp_path / "new", network, tiny_description(), "float32")
    assert load_bundle(tmp_path / "new")[1].slow.bn1.running_var[2] == 1e5
