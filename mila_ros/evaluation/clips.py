# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stream clip folders through a model that is at hand, and measure it against their labels."""

from __future__ import annotations

from collections.abc import Iterable

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.streaming import Perception, ResetCause

from .class_lists import common_classes
from .scores import Scheme, Scores
from .sources import ClipSource


def evaluate_clips(
    perception: Perception, clips: Iterable[ClipFolder], max_m: float = 50.0
) -> dict[str, dict[str, float]]:
    """Play each clip once, as a stream of its own, and pool the pixels of all.

    Args:
        perception: The model, with the keyframe policy to measure it under.
        clips: Clips whose classes can be compared with the model's, see `common_classes`.
        max_m: True depth beyond this is left out.

    Returns:
        Metrics of ``all`` labelled frames, per ``age_N`` since the keyframe, and the ``class_iou``
        by name. A metric without labels to stand on is NaN.

    Raises:
        MilaError: A clip cannot be read, or has labels that cannot be compared.
    """
    sources = [ClipSource(clip) for clip in clips]
    bundle = perception.bundle
    predicted = tuple(label.name for label in bundle.labels)
    labelled = [(source.name, source.classes) for source in sources if source.classes]
    fine = common_classes(predicted, labelled if predicted else [])
    metric = bundle.depth is None or bundle.depth.metric
    scheme = Scheme(predicted, fine, max_depth_m=max_m, metric=metric)
    scores: dict[int, Scores] = {}
    everything = Scores(scheme)
    for source in sources:
        perception.reset(cause=ResetCause.RELOADED)
        for labelled_frame in source.frames():
            if source.stills:
                perception.reset(cause=ResetCause.RELOADED)
            frame = perception.step(
                labelled_frame.image,
                stamp_ns=labelled_frame.stamp_ns,
                focal_px=source.focal_px,
                confidence=False,
            )
            if labelled_frame.truth.is_empty:
                continue
            of_age = scores.setdefault(frame.keyframe_age, Scores(scheme))
            for score in (everything, of_age):
                score.update(frame, labelled_frame.truth, source.classes)
    return {
        "all": everything.result(),
        **{f"age_{age}": of_age.result() for age, of_age in sorted(scores.items())},
        "class_iou": everything.segmentation[0].iou(),
    }
