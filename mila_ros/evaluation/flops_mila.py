# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA's Tables 1, 2 and 7, recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..networks.propagation import Source, build_propagation
from ..tasks import DEPTH, NORMALS, SEGMENTATION
from .flops import PAPERS, WEIGHTED_SUMS, measure
from .flops_rows import Report, Row, recompute

_NO_DECODERS = (
    "the paper's figure is that of the encoders alone, one per task or one for all: it has no room "
    "for decoders"
)
_WITHOUT_TS: dict[str, Any] = {"task_specific": False}
_WITHOUT_MF_TS: dict[str, Any] = {"task_specific": False, "multi_frame": False}
_FUSION = (
    "with the 3x3 convolution that joins what is propagated and without the heads behind it, mean "
    "over a keyframe and the four frames after it"
)


def _mila_table(papers: Sequence[float], notes: dict[str, str]) -> dict[str, Row]:
    """The rows of MILA's Tables 1 and 2, which differ in their tasks and sizes."""
    rows: list[tuple[str, str, dict[str, Any], str]] = [
        ("single_task", "single_task", {}, _NO_DECODERS),
        ("multi_task", "multi_task", {}, _NO_DECODERS),
        ("mtan", "mtan", {}, "encoder and attention without decoders"),
        ("cross_stitch", "cross_stitch", {}, _NO_DECODERS),
        ("multinet_slowfast", "multinet", {"slow_fast": True}, _FUSION),
        ("mila_without_mf_ts", "mila", _WITHOUT_MF_TS, _FUSION),
        ("mila_without_ts", "mila", _WITHOUT_TS, _FUSION),
        ("mila", "mila", {}, _FUSION),
    ]
    return {
        name: Row(network, paper, arguments, note="; ".join(filter(None, (note, notes.get(name)))))
        for (name, network, arguments, note), paper in zip(rows, papers, strict=True)
    }


def cityscapes() -> Report:
    """MILA's Table 2: two tasks, 256×512."""
    notes = {
        "mtan": "151 in Table 1 comes out and 161 here does not, by the same count",
        "mila": "the text calls it 25 % less than D101-MultiTask, whose decoders it did not count",
    }
    rows = _mila_table((187, 93, 161, 187, 47, 48, 55, 70), notes)
    tasks = (SEGMENTATION.with_channels(7), DEPTH)
    return {name: recompute(row, tasks, (256, 512)) for name, row in rows.items()}


def nyuv2() -> Report:
    """MILA's Table 1: three tasks, 288×384."""
    notes = {
        "mila": "the text saves 46 % against MTAN (70 of 151) in section 4.3 and 54 % in 3.2.1; "
        "70 of 151 is 46 %, so it saves 54 %"
    }
    rows = _mila_table((236, 79, 151, 236, 40, 41, 46, 70), notes)
    tasks = (SEGMENTATION.with_channels(13), DEPTH, NORMALS)
    return {name: recompute(row, tasks, (288, 384)) for name, row in rows.items()}


def propagation() -> Report:
    """MILA's Table 7: one propagation of 512 channels at stride 8."""
    disagree = (
        "Table 7 (a) does not agree with (b): for 15.9 times the pixels its three figures grow "
        "9.5, 20 and 27 times; (b) is the one that comes out"
    )
    summed = "the weighted sums are in both figures"
    rows: dict[str, tuple[tuple[float, float], float, int, str]] = {
        "optical_flow": (
            (7.5, 71.2),
            38e6,
            23,
            "thop, with which the paper counted, takes a transposed convolution of stride 2 for "
            "four times its cost: everything_gmac has the true one",
        ),
        "svc": ((5.4, 108), 3e6, 3, summed),
        "ila": (
            (0.2, 5.4),
            0.2e6,
            1,
            f"{summed}; no width of h gives both the paper's cost (32) and its 0.2 M parameters "
            "(about 44)",
        ),
    }
    report: Report = {}
    for name, (papers, parameters, layers, note) in rows.items():
        report[name] = {}
        for size, paper in zip(((256, 512), (1024, 2048)), papers, strict=True):
            small = size == (256, 512)
            report[name]["x".join(map(str, size))] = {
                "paper": paper,
                "paper_parameters": parameters,
                "paper_convolutions": layers,
                **_propagation(name, size),
                "note": f"{note}; {disagree}" if small else note,
            }
    return report


def _propagation(name: str, size: tuple[int, int]) -> Report:
    with torch.device("meta"):
        module = build_propagation(name, channels=512, attention_channels=32, window=5)
        assert module is not None
        value = torch.empty(1, 512, *(side // 8 + 1 for side in size))  # ceil-mode max-pool
        image = torch.empty(1, 3, *size)
        source = Source(value, module.embed(value, image))

        def run() -> None:
            # The source's embedding was kept when it was the current frame.
            module(Source(value, module.embed(value, image)), source)

        cost = measure(module, run, papers={**PAPERS, **WEIGHTED_SUMS})
    convolutions = sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in module.modules())
    return {**cost.as_dict(), "convolutions": convolutions}
