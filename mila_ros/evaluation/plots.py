# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The plots of an evaluation's report, as PNG files in memory. Needs matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mila_ros.errors import MilaError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OVER_AGE = {
    "segmentation/miou": "mIoU",
    "depth/rel_error": "relative depth error",
    "motion/iou": "motion IoU",
    "normals/mean_angle": "mean angle of normals (°)",
    "temporal/consistency": "temporal consistency",
}


def check_matplotlib() -> None:
    """Raise a MilaError unless plots can be drawn."""
    try:
        import matplotlib.figure  # noqa: F401  (whether it is there)
    except ImportError as error:
        raise MilaError(
            "the plots of --report are drawn by matplotlib, which is not installed; "
            "run: pip install matplotlib"
        ) from error


def over_age(results: Mapping[str, Any]) -> bytes | None:
    """Accuracy over the age of the keyframe, a line for each K; None with ages of 0 alone."""
    shown = [
        (key, label)
        for key, label in _OVER_AGE.items()
        if any(result["all"][key] is not None for result in results.values())
    ]
    if not shown or all(len(result["by_keyframe_age"]) < 2 for result in results.values()):
        return None
    figure = _figure(4.0 * len(shown), 3.2)
    for axes, (key, label) in zip(
        figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True
    ):
        for name, result in results.items():
            ages = result["by_keyframe_age"]
            values = [np.nan if row[key] is None else row[key] for row in ages.values()]
            if len(values) == 1:
                axes.axhline(values[0], color="0.4", linestyle="--", label=_interval(name))
            else:
                axes.plot([int(age) for age in ages], values, marker="o", label=_interval(name))
        axes.set(xlabel="frames since the keyframe", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return _png(figure)


def confusion(counts: list[list[int]], classes: list[str]) -> bytes | None:
    """Shares of each true class by what was predicted; None without a labelled pixel."""
    matrix = np.array(counts, np.float64).reshape(len(classes), len(classes) + 1)
    if not matrix.sum():
        return None
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = 2.2 + 0.5 * len(classes)
    figure = _figure(side + 1, side)
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            color = "white" if share > 0.5 else "black"
            text = f"{share:.2f}".lstrip("0")
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=7)
    axes.set_xticks(range(len(classes) + 1), [*classes, "none"], rotation=60, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, shrink=0.8)
    return _png(figure)


def over_distance(results: Mapping[str, Any]) -> bytes | None:
    """Relative depth error over true depth, a line for each K; None without true depth."""
    if all(result["all"]["depth/rel_error_aligned"] is None for result in results.values()):
        return None
    figure = _figure(6.4, 3.4)
    axes = figure.subplots()
    for name, result in results.items():
        rows = result["depth_by_distance"]
        middles = [(row["from_m"] + row["to_m"]) / 2 for row in rows]
        values = [np.nan if row["rel_error"] is None else row["rel_error"] for row in rows]
        axes.plot(middles, values, marker="o", label=_interval(name))
    axes.set(xlabel="true depth (m)", ylabel="relative depth error")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return _png(figure)


def precision_recall(result: Mapping[str, Any]) -> bytes | None:
    """Motion's precision and recall, a point for each source; None without moving pixels."""
    points = [
        (row["motion/recall"], row["motion/precision"])
        for row in result["by_source"].values()
        if None not in (row["motion/recall"], row["motion/precision"])
    ]
    if not points:
        return None
    figure = _figure(4.4, 4.0)
    axes = figure.subplots()
    recall = np.linspace(0.01, 1, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        precision = np.divide(
            f1 * recall, 2 * recall - f1, out=np.full_like(recall, np.nan), where=2 * recall > f1
        )
        axes.plot(recall, np.where(precision <= 1, precision, np.nan), color="0.8", linewidth=1)
        axes.text(1.01, f1 / (2 - f1), f"F1 {f1}", color="0.5", fontsize=7, va="center")
    axes.scatter(*zip(*points, strict=True), s=18, alpha=0.6, label="a clip or bag")
    everything = result["all"]["motion/recall"], result["all"]["motion/precision"]
    axes.scatter(*everything, s=90, marker="*", color="C3", label="all pixels together")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower left")
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _interval(name: str) -> str:
    return f"K = {name.rpartition('_')[2]}"
