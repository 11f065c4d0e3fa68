# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The best and the worst frames of an evaluation as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mila_ros.streaming import Frame
from mila_ros.visualization import (
    Panel,
    Picture,
    colorize_depth,
    colorize_segmentation,
    overlay_motion,
    palette_lut,
    side_by_side,
)

from .class_lists import TAXONOMIES, ClassList, id_table
from .painting import PAINT, depth_error, thick
from .plan import Played, Scored
from .play import Player
from .sources import LabelledFrame, LabelledSource

_RANKED_BY = {  # by which figure of a frame, and whether more is better
    "segmentation/miou": True,
    "depth/rel_error": False,
    "depth/rel_error_aligned": False,
    "normals/mean_angle": False,
    "motion/false_share": False,
    "human_parts/miou": True,
    "saliency/max_miou": True,
    "edges/ods_f": True,
}
_APART = 5  # frames between two pictures of one source
_NEAREST_M, _FARTHEST_M = 1.0, 100.0


@dataclass(frozen=True)
class Ranked:
    """A frame that is worth a look.

    Attributes:
        source: Its number.
        scored: Which frame of which stream, with its figures.
    """

    source: int
    scored: Scored


def rank(
    played: Sequence[Played], interval: int, count: int
) -> tuple[str, list[Ranked], list[Ranked]]:
    """By which figure frames were ranked, and the best and the worst of them.

    None of the best is among the worst. The figure is empty where no frame has any.
    """
    frames = [
        Ranked(number, scored)
        for number, one in enumerate(played)
        for scored in one.frames.get(interval, [])
    ]
    for key, more_is_better in _RANKED_BY.items():
        known = [f for f in frames if not np.isnan(f.scored.figures.get(key, np.nan))]
        if known:
            sign = -1 if more_is_better else 1
            known.sort(key=lambda f: (sign * f.scored.figures[key], f.source, f.scored.index))
            worst = _apart(known[::-1], count, [])
            return key, _apart(known, count, worst), worst
    return "", [], []


def draw(
    player: Player, sources: Sequence[LabelledSource], interval: int, frames: Sequence[Ranked]
) -> list[Picture]:
    """What was seen, said and true in each of the frames.

    Their streams are played again, each once and as far as its last frame of them.
    """
    streams = dict.fromkeys((frame.source, frame.scored.phase) for frame in frames)
    sheets: dict[tuple[int, int, int], Picture] = {}
    for source, phase in streams:
        indices = {
            frame.scored.index
            for frame in frames
            if (frame.source, frame.scored.phase) == (source, phase)
        }
        for labelled, found in player.frames(sources[source], interval, phase, indices):
            sheet = _sheet(player, sources[source], labelled, found)
            sheets[source, phase, labelled.index] = sheet
    return [sheets[f.source, f.scored.phase, f.scored.index] for f in frames]


def _apart(frames: Sequence[Ranked], count: int, taken: Sequence[Ranked]) -> list[Ranked]:
    """The first of the frames that are not taken, and no neighbours of each other."""
    places = {(frame.source, frame.scored.index) for frame in taken}
    chosen: list[Ranked] = []
    for frame in frames:
        source, index = frame.source, frame.scored.index
        near = (o.source == source and abs(o.scored.index - index) < _APART for o in chosen)
        if len(chosen) < count and (source, index) not in places and not any(near):
            chosen.append(frame)
    return chosen


def _sheet(
    player: Player, source: LabelledSource, labelled: LabelledFrame, found: Frame
) -> Picture:
    scheme, truth, image = player.plan.scheme, labelled.truth, np.array(labelled.image)
    panels: list[Panel] = []
    legend: list[tuple[str, tuple[int, int, int]]] = []
    depth_range = None
    if found.segmentation is not None and truth.segmentation is not None:
        colors = _colors(player, scheme.fine)
        lut = palette_lut(colors)
        legend = list(zip(scheme.fine.classes, colors, strict=True))
        said = id_table(scheme.predicted, scheme.fine.classes)[found.segmentation]
        true = id_table(source.classes, scheme.fine.classes)[truth.segmentation]
        panels += [
            Panel("image", image),
            Panel("predicted classes", colorize_segmentation(said, lut)),
            Panel("true classes (black: unlabelled)", colorize_segmentation(true, lut)),
        ]
    if found.depth is not None and truth.depth is not None:
        depth_range = (_NEAREST_M, min(scheme.max_depth_m, _FARTHEST_M))
        known = np.where(truth.depth <= scheme.max_depth_m, truth.depth, np.nan)
        panels += [
            Panel("relative depth error, white: 50 % or more", depth_error(found.depth, known)),
            Panel("predicted depth", colorize_depth(found.depth, *depth_range)),
            Panel("true depth", colorize_depth(thick(known), *depth_range)),
        ]
    if found.motion is not None and truth.motion is not None:
        wrong = ((found.motion != truth.motion) & (truth.motion != 127)).astype(np.uint8) * 255
        panels += [
            Panel("motion that is wrong", overlay_motion(image, wrong, (255, 200, 0))),
            Panel("predicted motion", overlay_motion(image, found.motion)),
            Panel("true motion", overlay_motion(image, truth.motion)),
        ]
    for name, (paint_said, paint_true) in PAINT.items():
        said, true = getattr(found, name), getattr(truth, name)
        if said is not None and true is not None:
            panels += [
                Panel("image", image),
                Panel(f"predicted {name.replace('_', ' ')}", paint_said(said)),
                Panel(f"true {name.replace('_', ' ')}", paint_true(true)),
            ]
    return side_by_side(
        panels or [Panel("image", image)],
        f"frame {labelled.index}, {found.keyframe_age} after the keyframe",
        is_keyframe=found.is_keyframe,
        legend=legend,
        depth_range_m=depth_range,
        columns=3,
        panel_width=400,
    )


def _colors(player: Player, classes: ClassList) -> list[tuple[int, int, int]]:
    bundle = player.perception.bundle
    own = {label.name: label.color for label in bundle.labels}
    known = TAXONOMIES.get(classes.name)
    named = own if known is None else dict(zip(known.classes, known.colors, strict=True)) | own
    return [named.get(name, (128, 128, 128)) for name in classes.classes]
