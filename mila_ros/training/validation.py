# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Held-out clips during training: the metrics it is followed by, and pictures to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.clip_folder import ClipFolder
from ..errors import MilaError
from ..evaluation.clips import evaluate_clips
from ..networks import Network
from ..streaming import EveryN, Frame, Perception
from ..visualization import (
    Panel,
    colorize_depth,
    colorize_segmentation,
    overlay_motion,
    palette_lut,
    side_by_side,
)
from .bundles import described
from .config import TrainingConfig
from .targets import has_target

RANGE_M = 50.0
_SCORED = {
    "segmentation": "segmentation/miou",
    "motion": "motion/iou",
    "depth": "depth/rel_error",
    "normals": "normals/within_30",
    "edges": "edges/ods_f",
    "saliency": "saliency/max_miou",
    "human_parts": "human_parts/miou",
}
_MORE_IS_WORSE = ("depth/rel_error",)
_PICTURES = 4


class Validation:
    """Plays held-out clips through a network as the finished model would, and scores it.

    Args:
        config: The training.
        folders: Clips that are not trained on.
        device: Where to.
        max_m: True depth beyond it is left out.

    Raises:
        MilaError: A folder is no clip, or no clip has labels of what is scored.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folders: Sequence[Path],
        device: torch.device,
        max_m: float = RANGE_M,
    ) -> None:
        self.config, self.device, self.max_m = config, device, max_m
        self.clips = [ClipFolder.open(folder) for folder in folders]
        scored = [task for task in _SCORED if task in config.tasks]
        if not any(
            has_target(clip, frame, task)
            for clip in self.clips
            for frame in range(len(clip))
            for task in scored
        ):
            raise MilaError(
                f"the held-out clips have no labels to score by; they need "
                f"{' or '.join(_SCORED)}, of what is trained"
            )

    def __call__(self, network: Network, stage: int) -> dict[str, float]:
        """Metrics at the training's keyframe interval, and their ``score``."""
        return score(
            evaluate_clips(self._perception(network, stage), self.clips, self.max_m)["all"]
        )

    def pictures(self, network: Network, stage: int) -> dict[str, NDArray[np.uint8]]:
        """What the network sees in a frame of each of the first clips, halfway to a keyframe."""
        perception = self._perception(network, stage)
        drawn = {}
        for clip in self.clips[:_PICTURES]:
            last = min(self.config.keyframe_every + self.config.keyframe_every // 2, len(clip) - 1)
            focal = None if clip.intrinsics is None else float(clip.intrinsics[0, 0])
            for number in range(last + 1):
                image = clip.image(number)
                frame = perception.step(
                    image, stamp_ns=number + 1, camera=str(clip.path), focal_px=focal
                )
            drawn[clip.path.name] = self._sheet(image, frame, f"{clip.path.name}, frame {last}")
        return drawn

    def _perception(self, network: Network, stage: int) -> Perception:
        return Perception(
            described(self.config, stage),
            network,
            str(self.device),
            EveryN(self.config.keyframe_every, math.inf),  # at any frame rate
            precision=self.config.precision,
        )

    def _sheet(self, image: NDArray[np.uint8], frame: Frame, title: str) -> NDArray[np.uint8]:
        panels = [Panel("image", image)]
        picture = self.config.input
        if frame.segmentation is not None:
            colors = [label.color for label in described(self.config, 0).labels]
            lut = palette_lut(colors)
            panels.append(Panel("segmentation", colorize_segmentation(frame.segmentation, lut)))
        if frame.depth is not None:
            drawn = colorize_depth(frame.depth, picture.min_m, picture.max_m)
            panels.append(Panel("depth", drawn))
        if frame.motion is not None:
            panels.append(Panel("motion", overlay_motion(np.array(image), frame.motion)))
        range_m = None if frame.depth is None else (picture.min_m, picture.max_m)
        return side_by_side(
            panels,
            f"{title}, {frame.keyframe_age} after a keyframe",
            is_keyframe=frame.is_keyframe,
            depth_range_m=range_m,
            panel_width=384,
        )


def score(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that training is followed by, and their ``score``.

    It is the sum of a share of each task that there are labels for, such as mIoU, less the
    relative depth error: more is better.
    """
    kept = {k: metrics[k] for k in _SCORED.values() if not math.isnan(metrics.get(k, math.nan))}
    signed = [-value if key in _MORE_IS_WORSE else value for key, value in kept.items()]
    return {k: round(v, 4) for k, v in kept.items()} | {"score": round(sum(signed), 5)}
