# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ASTMT (Maninis et al., CVPR 2019): Tables 3 and 5."""

from __future__ import annotations

from dataclasses import replace

from mila_ros.evaluation.papers.mti_net import (
    EDGE_NOTE,
    EDGES,
    NORMALS,
    PARTS,
    RMSE,
    SALIENCY,
    SEGMENTATION,
)
from mila_ros.evaluation.papers.protocol import Metric, Protocol, rows

_PAPER = "ASTMT, CVPR 2019"
_DROP = Metric(
    "delta_m",
    "Δm%",
    -1,
    False,
    "mean relative loss in percent against single-task networks of the same encoder: the negative "
    "of the usual Δm",
    2,
)
_PASCAL = (replace(EDGES, decimals=1), SEGMENTATION, PARTS, NORMALS, SALIENCY, _DROP)
_NYUD = (replace(EDGES, decimals=1), SEGMENTATION, NORMALS, RMSE, _DROP)

PASCAL = Protocol(
    name="astmt-pascal",
    paper=f"{_PAPER}, Table 3",
    dataset="pascal_context",
    split="val",
    size=(512, 512),
    classes="voc21",
    tasks=("edges", "segmentation", "human_parts", "normals", "saliency"),
    frames=5105,
    metrics=_PASCAL,
    rows=rows(
        _PASCAL,
        "Table 3b",
        {
            "R-26 residual adapters": "70.5 62.80 56.41 15.27 64.84 1.42",
            "R-26 SE modulation": "71.1 64.00 56.84 15.05 64.35 0.59",
        },
    )
    + rows(
        _PASCAL,
        "Table 3e",
        {
            "R-26 single task": "71.3 64.93 57.12 14.90 64.17 0.00",
            "R-26 multi-task": "69.2 60.20 54.10 17.04 62.10 6.62",
            "R-26 ASTMT": "71.0 64.61 57.25 15.00 64.70 0.11",
            "R-50 single task": "72.7 68.30 60.70 14.61 65.40 0.00",
            "R-50 multi-task": "69.2 63.20 55.10 16.04 63.60 6.81",
            "R-50 ASTMT": "72.4 68.00 61.12 14.68 65.71 0.04",
            "R-101 single task": "73.5 69.76 63.48 14.15 67.41 0.00",
            "R-101 multi-task": "70.5 66.45 61.54 15.44 66.39 4.50",
            "R-101 ASTMT": "73.5 68.51 63.41 14.37 67.72 0.60",
        },
    ),
    notes=(EDGE_NOTE, "Saliency and normals are other networks' output, not measured."),
)

NYUD = Protocol(
    name="astmt-nyud",
    paper=f"{_PAPER}, Table 5a",
    dataset="nyuv2",
    split="test",
    size=(512, 512),
    classes="nyu40",
    tasks=("edges", "segmentation", "normals", "depth"),
    frames=654,
    edge_tolerance=0.011,
    metrics=_NYUD,
    rows=rows(
        _NYUD,
        "Table 5a",
        {
            "R-26 single task": "72.9 29.87 24.34 0.650 0.00",
            "R-26 multi-task": "72.4 27.74 24.83 0.729 5.50",
            "R-26 ASTMT": "73.5 30.07 24.316 0.625 -1.36",
            "R-50 single task": "74.4 32.82 23.3 0.610 0.00",
            "R-50 multi-task": "73.2 30.95 23.34 0.700 5.44",
            "R-50 ASTMT": "74.5 32.16 23.18 0.570 -1.22",
            "R-101 single task": "74.9 35.90 22.90 0.580 0.00",
            "R-101 multi-task": "73.8 31.20 23.07 0.650 6.63",
            "R-101 ASTMT": "75.6 35.60 22.73 0.560 -1.07",
        },
    ),
    notes=(
        EDGE_NOTE,
        "The paper segments 41 classes, the 40 and one of what has none: void here.",
        "The published code averages the RMSE of the images, so its figures are lower than one "
        "over all pixels.",
    ),
)

PROTOCOLS = (PASCAL, NYUD)
