# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stream clip folders through a bundle and measure it against their labels."""

from __future__ import annotations

from collections.abc import Iterable

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.evaluation.metrics import DepthMetrics, MotionMetrics, SegmentationMetrics
from mila_ros.streaming import Perception, ResetCause


class _Scores:
    """All metrics of one set of frames."""

    def __init__(self, classes: tuple[str, ...], max_m: float) -> None:
        self.segmentation = SegmentationMetrics(classes)
        self.depth = DepthMetrics(max_m)
        self.motion = MotionMetrics()
        self.frames = 0

    def result(self) -> dict[str, float]:
        parts = (self.segmentation.result(), self.depth.result(), self.motion.result())
        return {"frames": float(self.frames)} | {k: v for part in parts for k, v in part.items()}


def evaluate_clips(
    perception: Perception, clips: Iterable[ClipFolder], max_m: float = 50.0
) -> dict[str, dict[str, float]]:
    """Play each clip as a stream of its own and pool the pixels of all.

    Args:
        perception: The bundle to measure, with the keyframe policy to measure it under.
        clips: Clips whose classes are the bundle's own, in its order.
        max_m: True depth beyond this is left out.

    Returns:
        Metrics of ``all`` frames, per ``age_N`` since the keyframe, and the ``class_iou`` by name.
        A metric without labels to stand on is NaN.

    Raises:
        MilaError: A clip has labels of other classes than the bundle.
    """
    classes = tuple(label.name for label in perception.bundle.labels)
    scores: dict[str, _Scores] = {"all": _Scores(classes, max_m)}
    for clip in clips:
        perception.reset(cause=ResetCause.RELOADED)
        if clip.classes and clip.classes != classes:
            raise MilaError(
                f"{clip.path} is labelled with other classes than the bundle "
                f"{perception.bundle.name} predicts: {', '.join(clip.classes)}"
            )
        focal_px = None if clip.intrinsics is None else float(clip.intrinsics[0, 0])
        period_ns = round(1e9 / (clip.fps or 10.0))
        for index in range(len(clip)):
            frame = perception.step(
                clip.image(index),
                stamp_ns=(index + 1) * period_ns,
                focal_px=focal_px,
            )
            truth = clip.label(index), clip.depth(index), clip.motion(index)
            for key in ("all", f"age_{frame.keyframe_age}"):
                score = scores.setdefault(key, _Scores(classes, max_m))
                score.frames += 1
                if truth[0] is not None and frame.segmentation is not None:
                    score.segmentation.update(frame.segmentation, truth[0])
                if truth[1] is not None and frame.depth is not None:
                    score.depth.update(frame.depth, truth[1])
                if truth[2] is not None and frame.motion is not None:
                    score.motion.update(frame.motion, truth[2])
    return {key: score.result() for key, score in sorted(scores.items())} | {
        "class_iou": scores["all"].segmentation.iou()
    }
