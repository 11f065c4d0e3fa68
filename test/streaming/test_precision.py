# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The number format: chosen by measurement, and close to float32 whatever it is."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_tiny_bundle

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.streaming import Perception, precision

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("bf16_s, expected", [(0.002, "bf16"), (0.009, "fp32"), (0.03, "fp32")])
def test_auto_takes_bf16_where_it_is_clearly_faster(
    bf16_s: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_capability", lambda: "AVX512")
    seconds = {"fp32": 0.01, "bf16": bf16_s}
    chosen = precision.resolve_precision("auto", CPU, lambda name: time.sleep(seconds[name]))
    assert chosen == expected


@pytest.mark.parametrize("capability, tried", [("AVX2", []), ("AVX512", ["fp32", "bf16"])])
def test_bf16_is_not_tried_for_long_where_it_is_slow(
    capability: str, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even once where the processor cannot have it: on one it took ten times as long."""
    monkeypatch.setattr(precision, "_capability", lambda: capability)
    computed = []

    def compute(name: str) -> None:
        computed.append(name)
        time.sleep(0.001 if name == "fp32" else 0.05)

    assert precision.resolve_precision("auto", CPU, compute) == "fp32"
    assert sorted(computed) == sorted(tried)


def test_what_is_asked_for_is_not_measured() -> None:
    def never(_: str) -> None:
        raise AssertionError

    assert precision.resolve_precision("bf16", CPU, never) == "bf16"
    assert precision.resolve_precision("fp32", CPU, never) == "fp32"
    assert precision.resolve_precision("auto", torch.device("cuda"), never) == "fp32"


def test_an_unknown_precision_is_refused_in_words(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny")
    with pytest.raises(MilaError, match="unknown precision 'half'; choose one of auto, fp32, bf16"):
        Perception.load(bundle, device="cpu", precision="half")


def test_bf16_agrees_with_float32_on_the_sample() -> None:
    clip = ClipFolder.open(ROOT / "samples" / "street")
    single, half = (
        Perception.load(ROOT / "models" / "mila_street", device="cpu", precision=name)
        for name in ("fp32", "bf16")
    )
    for index in range(2):  # a keyframe, and the frame after it
        one, other = (
            p.step(clip.image(index), stamp_ns=10**8 * (index + 1)) for p in (single, half)
        )
        assert one.depth is not None and other.depth is not None
        assert other.depth.dtype == np.float32
        known = np.isfinite(one.depth) & np.isfinite(other.depth)
        error = np.abs(other.depth[known] / one.depth[known] - 1)
        assert 0 < np.median(error) < 0.02
        assert np.mean(one.segmentation == other.segmentation) > 0.97
        assert np.mean(one.motion == other.motion) > 0.97


def test_auto_loads_and_says_what_it_took(tmp_path: Path) -> None:
    perception = Perception.load(make_tiny_bundle(tmp_path / "t"), device="cpu", precision="auto")
    assert perception.precision in ("fp32", "bf16")
    assert perception.cameras == ()
