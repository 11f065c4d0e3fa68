# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA (Kim et al., ICCVW 2021): Tables 1 to 6 and its appendix."""

from __future__ import annotations

from mila_ros.evaluation.papers.protocol import Metric, Protocol, rows

_PAPER = "MILA, ICCVW 2021"

_LEGACY_IOU = (
    "per image and class I / U, void pixels counted in U through the prediction; the mean over an "
    "image's classes, its batch's images, the batches"
)
MIOU_LEGACY = Metric(
    "segmentation/miou_per_image_legacy", "mIoU", 100, True, _LEGACY_IOU, exact=False
)
ACCURACY = Metric(
    "segmentation/pixel_accuracy_per_image",
    "Acc.",
    100,
    True,
    "per image, the mean over a batch's images, then over batches",
    exact=False,
)
_BATCHES = "the mean over a batch's known pixels, then over batches"
_CITYSCAPES = (
    MIOU_LEGACY,
    ACCURACY,
    Metric(
        "depth/abs_error_mtan",
        "Abs.",
        100,
        False,
        f"|p - g| in MTAN's unit, see the note; {_BATCHES}",
        2,
        False,
    ),
    Metric(
        "depth/rel_error_mtan",
        "Rel.",
        100,
        False,
        f"|p - g| / g in MTAN's unit, see the note; {_BATCHES}",
        exact=False,
    ),
)
_NYU = (
    MIOU_LEGACY,
    ACCURACY,
    Metric(
        "depth/abs_error_per_image", "Abs.", 100, False, f"|p - g| in cm; {_BATCHES}", exact=False
    ),
    Metric(
        "depth/rel_error_per_image", "Rel.", 100, False, f"|p - g| / g; {_BATCHES}", exact=False
    ),
    Metric("normals/mean_angle_per_image", "Mean", 1, False, f"degrees; {_BATCHES}", exact=False),
    Metric(
        "normals/median_angle_per_image",
        "Median",
        1,
        False,
        "degrees; the median of a batch's known pixels, the mean over batches",
        exact=False,
    ),
    *(
        Metric(
            f"normals/within_{angle}_per_image",
            f"{angle}°",
            100,
            True,
            f"share; {_BATCHES}",
            exact=False,
        )
        for angle in ("11.25", "22.5", "30")
    ),
)
_SEGMENTATION = (
    Metric("segmentation/miou", "mIoU", 100, True, "one confusion matrix over the data set"),
)
_CONVENTIONS = (
    "Metrics are those of the code that MTAN published until July 2020, which MILA's baselines "
    "come from: inferred from its figures, the paper does not say. One confusion matrix over the "
    "data set (segmentation/miou) gives far higher figures."
)
_BATCH = (
    "The paper averages over batches of a size that it does not say, of which the last may be "
    "smaller and then weighs as much; here a batch is one image."
)

CITYSCAPES = Protocol(
    name="mila-cityscapes",
    paper=f"{_PAPER}, Table 2",
    dataset="cityscapes",
    split="val",
    size=(256, 512),
    classes="cityscapes7",
    tasks=("segmentation", "depth"),
    options={"depth": "mtan"},
    keyframe_interval=5,
    offsets=(0, 1, 2, 3, 4),
    before=9,
    frames=500,
    metrics=_CITYSCAPES,
    rows=rows(
        _CITYSCAPES,
        "Table 2",
        {
            "D101-SingleTask": "63.9 94.4 1.02 25.3",
            "D101-MultiTask": "63.8 94.4 1.06 31.9",
            "MTAN-SegNet": "53.0 91.1 1.44 33.6",
            "MTAN*": "64.2 94.5 1.06 26.3",
            "Cross-Stitch*": "64.5 94.5 1.04 33.0",
            "MultiNet++": "61.6 93.9 1.08 28.5",
            "MILA w/o MF&TS": "63.8 94.4 1.05 32.9",
            "MILA w/o TS": "64.1 94.5 1.03 31.5",
            "MILA": "64.3 94.6 1.02 25.2",
        },
    ),
    notes=(
        _CONVENTIONS,
        _BATCH,
        "What the table calls depth is the disparity PNG over 65535, unknown where 0 (inferred "
        "from MTAN's data); metres, predicted and true, become it by "
        "mila_ros.data.datasets.cityscapes.metres_to_mtan_unit.",
        "Frames before the annotated one come from the 30-frame sequences, where it has index 19; "
        "single-image models see offset 0 only.",
        "* DeepLab-ResNet101 backbone.",
    ),
)

NYUV2 = Protocol(
    name="mila-nyuv2",
    paper=f"{_PAPER}, Table 1",
    dataset="nyuv2",
    split="test",
    size=(288, 384),
    classes="nyu13",
    tasks=("segmentation", "depth", "normals"),
    keyframe_interval=5,
    offsets=(0, 1, 2, 3, 4),
    before=9,
    frames=654,
    metrics=_NYU,
    rows=rows(
        _NYU,
        "Table 1",
        {
            "D101-SingleTask": "37.2 75.0 39.3 16.6 22.8 16.6 35.7 62.8 73.9",
            "D101-MultiTask": "37.1 75.3 39.0 16.3 23.7 17.6 34.0 60.2 71.7",
            "MTAN-Seg.": "17.7 55.3 59.0 25.8 31.4 25.4 23.2 45.7 57.6",
            "Cross-Stitch-Seg.": "14.7 50.2 64.8 28.7 33.6 28.6 20.1 40.5 52.0",
            "MTAN*": "37.1 74.3 40.0 16.9 23.9 18.1 33.5 59.5 70.4",
            "Cross-Stitch*": "37.5 74.5 39.5 16.2 22.7 16.5 36.8 63.0 73.8",
            "MultiNet++*": "32.8 73.1 41.1 17.3 24.4 18.1 33.4 58.9 70.2",
            "MILA w/o MF&TS": "36.6 74.8 39.2 16.5 23.5 17.4 34.2 60.4 71.8",
            "MILA w/o TS": "37.0 75.0 38.9 16.4 23.3 17.2 34.9 60.9 72.2",
            "MILA": "38.1 75.1 38.6 16.1 23.2 17.0 35.4 61.8 72.5",
        },
    ),
    notes=(
        _CONVENTIONS,
        _BATCH,
        "MTAN's arrays have their borders cut off before they are resized; the whole frame is "
        "read here.",
        "Frames before the annotated one come from the raw videos.",
        "The paper's text says 11 degrees where its table has 11.25.",
    ),
)


def _video_segmentation(interval: int, figures: dict[str, str], deeper: dict[str, str]) -> Protocol:
    return Protocol(
        name=f"mila-cityscapes19-k{interval}",
        paper=f"{_PAPER}, Tables 5 and 11",
        dataset="cityscapes",
        split="val",
        size=(1024, 2048),
        classes="cityscapes19",
        tasks=("segmentation",),
        keyframe_interval=interval,
        offsets=tuple(range(interval)),
        before=2 * interval - 1,
        frames=500,
        metrics=_SEGMENTATION,
        rows=rows(_SEGMENTATION, "Table 5", figures) + rows(_SEGMENTATION, "Table 11", deeper),
        notes=(
            "The protocol of Accel (Jain et al., CVPR 2019); the size is inferred from Table 7.",
            "ILA only: from key to non-key frames, one attention for all tasks.",
        ),
    )


PROTOCOLS = (
    CITYSCAPES,
    NYUV2,
    _video_segmentation(
        5,
        {
            "D101-18 optical flow": "72.1",
            "D101-18 ILA": "73.2",
            "D101-34 optical flow": "72.4",
            "D101-34 ILA": "74.3",
        },
        {"D101-50 optical flow": "74.2", "D101-50 ILA": "75.1"},
    ),
    _video_segmentation(
        10,
        {
            "D101-18 optical flow": "69.8",
            "D101-18 ILA": "72.1",
            "D101-34 optical flow": "70.1",
            "D101-34 ILA": "73.8",
        },
        {"D101-50 optical flow": "72.9", "D101-50 ILA": "74.8"},
    ),
)
