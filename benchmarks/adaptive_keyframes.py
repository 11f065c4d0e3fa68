# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keyframes when the evidence drops against one every N frames, at equal accuracy.

Both policies play the same labelled clips, each from one keyframe on. For each threshold of the
adaptive policy and each metric, the interval at which every-N has the same accuracy is read off
its curve (linear between the Ns); ``saved`` is the share of keyframes that adaptive does without.

``python benchmarks/adaptive_keyframes.py --clips CLIPS --json benchmarks/results/FILE.json``
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import write_report

from mila_ros.data.clip_folder import ClipFolder, is_clip_folder
from mila_ros.evaluation.clips import evaluate_clips
from mila_ros.streaming import Adaptive, EveryN, KeyframePolicy, Perception

# Whether more is better.
METRICS = {
    "segmentation/miou": True,
    "depth/rel_error": False,
    "depth/abs_error": False,
    "motion/iou": True,
    "normals/mean_angle": False,
}


def clip_folders(path: Path) -> list[Path]:
    """The folder itself, or those in it."""
    return [path] if is_clip_folder(path) else sorted(filter(is_clip_folder, path.iterdir()))


def play(
    perception: Perception, clips: Sequence[ClipFolder], policy: KeyframePolicy
) -> dict[str, Any]:
    """The mean interval between keyframes, and the accuracy of all frames."""
    perception.keyframes = policy
    results = evaluate_clips(perception, clips)
    found = {name: results["all"].get(name, math.nan) for name in METRICS}
    return {
        "interval": round(results["all"]["frames"] / results["age_0"]["frames"], 3),
        "metrics": {name: round(v, 5) for name, v in found.items() if not math.isnan(v)},
    }


def interval_at(curve: Sequence[dict[str, Any]], metric: str, value: float) -> float | None:
    """Where the curve of every-N has this accuracy for the first time; None where it never has."""
    points = [(row["interval"], row["metrics"][metric]) for row in curve]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if y0 != y1 and min(y0, y1) <= value <= max(y0, y1):
            return x0 + (x1 - x0) * (value - y0) / (y1 - y0)
    return None


def saved(row: dict[str, Any], curve: Sequence[dict[str, Any]]) -> dict[str, float | str]:
    """By metric, the share of every-N's keyframes at the same accuracy that are not needed."""
    result: dict[str, float | str] = {}
    for metric, value in row["metrics"].items():
        same = interval_at(curve, metric, value)
        if same is None:
            ends = [point["metrics"][metric] for point in curve]
            is_better = value > max(ends) if METRICS[metric] else value < min(ends)
            result[metric] = "better than all" if is_better else "worse than all"
        else:
            result[metric] = round(1 - same / row["interval"], 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", default="mila_street")
    add("--clips", nargs="+", type=Path, required=True, help="clip folders, or folders of them")
    add("--every", nargs="+", type=int, default=[1, 2, 3, 5, 8, 12])
    add("--thresholds", nargs="+", type=float, default=[0.99, 0.98, 0.97, 0.96, 0.94])
    add("--engine", default="eager")
    add("--precision", default="fp32")
    add("--threads", type=int, default=0)
    add("--json", type=Path)
    arguments = parser.parse_args()
    clips = [ClipFolder.open(path) for given in arguments.clips for path in clip_folders(given)]
    perception = Perception.load(
        arguments.model,
        engine=arguments.engine,
        precision=arguments.precision,
        threads=arguments.threads,
    )
    curve = []
    for n in sorted(arguments.every):
        curve.append({"every": n, **play(perception, clips, EveryN(n, math.inf))})
        print(curve[-1], flush=True)
    rows = []
    for threshold in arguments.thresholds:
        row = {"threshold": threshold, **play(perception, clips, Adaptive(threshold, math.inf))}
        rows.append(row | {"saved": saved(row, curve)})
        print(rows[-1], flush=True)
    figures = {
        "model": arguments.model,
        "engine": arguments.engine,
        "precision": perception.precision,
        "clips": [clip.path.name for clip in clips],
        "every": curve,
        "adaptive": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
