# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MTI-Net (Vandenhende et al., ECCV 2020): Tables 2, 5 and 6."""

from __future__ import annotations

from mila_ros.evaluation.papers.protocol import Metric, Protocol, rows

_PAPER = "MTI-Net, ECCV 2020"
_DATASET = "one confusion matrix over the data set"
_DELTA = Metric(
    "delta_m",
    "Δm%",
    1,
    True,
    "mean relative gain in percent over single-task networks of the same encoder",
    2,
)
EDGES = Metric(
    "edges/ods_f", "Edge", 100, True, "F-measure at the data set's best threshold", 2, False
)
PARTS = Metric("human_parts/miou", "Parts", 100, True, _DATASET, 2)
SALIENCY = Metric(
    "saliency/max_miou",
    "Sal",
    100,
    True,
    "mIoU at the best threshold; here of each image's salient pixels, the mean over images",
    2,
    False,
)
NORMALS = Metric("normals/mean_angle", "Norm", 1, False, "degrees, over all known pixels", 2)
SEGMENTATION = Metric("segmentation/miou", "Seg", 100, True, _DATASET, 2)
RMSE = Metric("depth/rmse", "rmse", 1, False, "metres, over all known pixels", 3)

_NYUD = (SEGMENTATION, RMSE, _DELTA)
_NYUD_FULL = (
    Metric("segmentation/pixel_accuracy", "pixel-acc", 100, True, "of the data set"),
    Metric("segmentation/class_accuracy", "mean-acc", 100, True, "mean recall of the classes"),
    Metric("segmentation/miou", "IoU", 100, True, _DATASET),
    RMSE,
    Metric("depth/rel_error", "rel", 1, False, "|p - g| / g over all known pixels", 3),
    *(
        Metric(f"depth/delta{n}", f"δ{n}", 1, True, f"share within a factor of 1.25^{n}", 3)
        for n in (1, 2, 3)
    ),
)
_PASCAL = (SEGMENTATION, PARTS, SALIENCY, EDGES, NORMALS, _DELTA)
EDGE_NOTE = (
    "Edge figures of the paper come from the program of the BSDS benchmark, with its own thinning "
    "and a tolerance of 0.0075 (PASCAL) or 0.011 (NYUD) of the diagonal. Here the tolerance is the "
    "same, and a true edge may account for several predicted pixels."
)

NYUD = Protocol(
    name="mti-net-nyud",
    paper=f"{_PAPER}, Table 2a (HRNet-18)",
    dataset="nyuv2",
    split="test",
    size=(480, 640),
    classes="nyu40",
    tasks=("segmentation", "depth"),
    frames=654,
    metrics=_NYUD,
    rows=rows(
        _NYUD,
        "Table 2a",
        {
            "single task": "33.18 0.667 0.00",
            "MTL": "32.09 0.668 -1.71",
            "PAD-Net": "32.80 0.660 -0.02",
            "PAD-Net (N)": "33.85 0.658 1.65",
            "PAD-Net (N+E)": "32.92 0.655 0.52",
            "MTI-Net w/o FPM": "34.38 0.640 3.85",
            "MTI-Net w/o FPM (N)": "34.49 0.642 3.84",
            "MTI-Net w/o FPM (N+E)": "34.68 0.637 4.48",
            "MTI-Net": "35.12 0.620 6.40",
            "MTI-Net (N)": "36.22 0.600 9.57",
            "MTI-Net (N+E)": "37.49 0.607 10.91",
        },
    ),
    notes=(
        "The size is that of the published code; the paper does not say it.",
        "N and E: normals and edges as auxiliary tasks.",
    ),
)

NYUD_HRNET48 = Protocol(
    name="mti-net-nyud-hrnet48",
    paper=f"{_PAPER}, Table 6 (HRNet-48)",
    dataset="nyuv2",
    split="test",
    size=(480, 640),
    classes="nyu40",
    tasks=("segmentation", "depth"),
    frames=654,
    metrics=_NYUD_FULL,
    rows=rows(
        _NYUD_FULL,
        "Table 6",
        {
            "PAD-Net": "75.2 62.3 50.2 0.582 0.120 0.817 0.954 0.987",
            "PAP-Net": "76.2 62.5 50.4 0.530 0.144 0.815 0.962 0.992",
            "single task": "73.4 58.1 45.7 0.547 0.138 0.828 0.966 0.993",
            "MTI-Net": "75.3 62.9 49.0 0.529 0.138 0.830 0.969 0.993",
        },
    ),
    notes=("The size is that of the published code; the paper does not say it.",),
)

PASCAL = Protocol(
    name="mti-net-pascal",
    paper=f"{_PAPER}, Tables 2b and 5",
    dataset="pascal_context",
    split="val",
    size=(512, 512),
    classes="voc21",
    tasks=("segmentation", "human_parts", "saliency", "edges", "normals"),
    frames=5105,
    metrics=_PASCAL,
    rows=rows(
        _PASCAL,
        "Table 5",
        {
            "R18-FPN single task": "64.5 57.4 66.4 68.2 14.8 0.00",
            "R18-FPN MTI-Net": "65.7 61.6 66.8 73.9 14.6 3.84",
            "R50-FPN single task": "67.7 61.8 67.2 71.1 14.8 0.00",
            "R50-FPN ASTMT": "66.8 61.1 66.1 70.9 14.7 -0.87",
            "R50-FPN MTI-Net": "66.6 63.3 66.6 74.9 14.6 1.36",
        },
    )
    + rows(
        _PASCAL,
        "Table 2b",
        {
            "HRNet-18 single task": "60.07 60.74 67.18 69.70 14.59 0.00",
            "HRNet-18 MTL": "53.60 58.45 65.13 70.60 15.08 -3.70",
            "HRNet-18 MTI-Net": "64.27 62.06 68.00 73.40 14.75 2.74",
        },
    ),
    notes=(EDGE_NOTE, "Saliency and normals are other networks' output, not measured."),
)

PROTOCOLS = (NYUD, NYUD_HRNET48, PASCAL)
