# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MultiNet++ (Chennupati et al., CVPRW 2019): Tables 3 and 4."""

from __future__ import annotations

from mila_ros.evaluation.papers.protocol import Metric, Protocol, rows

_PAPER = "MultiNet++, CVPRW 2019"
_SEGMENTATION = Metric(
    "segmentation/pixel_accuracy", "Segmentation", 100, True, "share of pixels of the data set", 2
)
_DEPTH = Metric(
    "depth/regression_accuracy",
    "Depth",
    100,
    True,
    "the paper calls it regression accuracy and does not define it: not measured here",
    2,
)
_MOTION = Metric(
    "motion/pixel_accuracy",
    "Motion",
    100,
    True,
    "share of pixels of the data set, static ones included",
    2,
)
_THREE = (_SEGMENTATION, _DEPTH, _MOTION)
_TWO = (_SEGMENTATION, _DEPTH)
_SIZE = (224, 384)
_NOTES = (
    "The paper has 20 classes on KITTI and Cityscapes, 13 on SYNTHIA; which 20th there is beside "
    "Cityscapes' 19 it does not say: void here.",
    "Depth is a 16-bit integer whose unit is not said.",
    "Accuracy of motion says little: nearly all pixels are static. Look at motion/iou too.",
)

KITTI = Protocol(
    name="multinet-kitti",
    paper=f"{_PAPER}, Tables 3 and 4",
    dataset="kitti_2015",
    split="train",
    size=_SIZE,
    classes="cityscapes19",
    tasks=("segmentation", "depth", "motion"),
    before=1,
    frames=200,
    metrics=_THREE,
    rows=rows(
        _THREE,
        "Table 4",
        {
            "3 tasks, uncertainty": "78.93 75.73 98.00",
            "3 tasks, DWA": "80.05 74.48 97.78",
        },
    )
    + rows(
        _THREE,
        "Table 3",
        {
            "1 task": "81.74 75.91 98.49",
            "2 tasks, equal weights": "74.30 74.47 -",
            "2 tasks, GLS": "81.50 74.92 -",
            "2 tasks, MultiNet++": "81.01 73.95 -",
            "2 tasks with motion, equal weights": "80.14 - 97.88",
            "2 tasks with motion, GLS": "81.52 - 97.93",
            "2 tasks with motion, MultiNet++": "81.75 - 98.15",
            "3 tasks, equal weights": "77.14 76.15 97.83",
            "3 tasks, GLS": "82.20 76.54 97.92",
            "3 tasks, MultiNet++": "80.06 73.94 97.94",
        },
    ),
    notes=(
        *_NOTES,
        "The paper validates on 200 other images, whose labels are not public: only the 200 "
        "training images can be read, so a part of them has to be held out.",
        "The paper's motion labels are those of Vertens et al. (SMSnet, IROS 2017); here they are "
        "the benchmark's own, of vehicles.",
        "The paper's frames lie far apart in time, which it names as a limit.",
    ),
)

CITYSCAPES = Protocol(
    name="multinet-cityscapes",
    paper=f"{_PAPER}, Tables 3 and 4",
    dataset="cityscapes",
    split="val",
    size=_SIZE,
    classes="cityscapes19",
    tasks=("segmentation", "depth", "motion"),
    before=1,
    frames=500,
    metrics=_THREE,
    rows=rows(
        _THREE,
        "Table 4",
        {
            "3 tasks, uncertainty": "77.32 60.44 98.63",
            "3 tasks, DWA": "78.05 59.34 98.45",
        },
    )
    + rows(
        _THREE,
        "Table 3",
        {
            "1 task": "78.95 60.13 98.72",
            "2 tasks, equal weights": "73.76 59.38 -",
            "2 tasks, GLS": "79.14 60.15 -",
            "2 tasks, MultiNet++": "83.07 60.15 -",
            "2 tasks with motion, equal weights": "78.46 - 98.25",
            "2 tasks with motion, GLS": "77.63 - 98.83",
            "2 tasks with motion, MultiNet++": "78.86 - 98.65",
            "3 tasks, equal weights": "72.71 60.97 98.20",
            "3 tasks, GLS": "77.38 61.56 98.72",
            "3 tasks, MultiNet++": "82.36 62.74 98.21",
        },
    ),
    notes=(
        *_NOTES,
        "The paper's motion labels are those of Vertens et al. (SMSnet, IROS 2017), which are not "
        "a part of Cityscapes: motion is not measured here.",
    ),
)

SYNTHIA = Protocol(
    name="multinet-synthia",
    paper=f"{_PAPER}, Table 3",
    dataset="synthia_seqs",
    split="val",
    size=_SIZE,
    classes="synthia13",
    tasks=("segmentation", "depth"),
    before=1,
    frames=787,
    metrics=_TWO,
    rows=rows(
        _TWO,
        "Table 3",
        {
            "1 task": "84.08 73.19",
            "2 tasks, equal weights": "63.45 71.84",
            "2 tasks, GLS": "86.87 73.60",
            "2 tasks, MultiNet++": "88.15 78.39",
        },
    ),
    notes=(
        *_NOTES,
        "888 frames of sequence 02 for training, 787 of sequence 05 for validation; of which of "
        "their conditions is not said.",
    ),
)

PROTOCOLS = (KITTI, CITYSCAPES, SYNTHIA)
