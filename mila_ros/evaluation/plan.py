# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How videos are to be played, and what playing one gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from .scores import Scheme, Scores


@dataclass(frozen=True)
class Plan:
    """How videos are played.

    Attributes:
        scheme: What is compared.
        keyframe_every: The intervals K.
        offsets: ``all``: each frame at each distance 0..K-1 to its keyframe, once; the first
            frames of a video, one fewer than the largest K, only lead up to them. ``stream``: one
            pass with a keyframe at the first frame and every K-th from there.
        static_scene: Where motion is not labelled, nothing moves.
        keyframe_lag: Frames after which what the slow network makes of a keyframe is there, which
            runs beside the frames then; 0 for blocking keyframes.
        least_lead: Frames that are left out at the start at least, though this network does not
            need them: others that it is compared with do.
    """

    scheme: Scheme
    keyframe_every: tuple[int, ...]
    offsets: str = "all"
    static_scene: bool = False
    keyframe_lag: int = 0
    least_lead: int = 0

    @property
    def lead(self) -> int:
        """Frames at the start of a video that are not scored."""
        if self.offsets != "all":
            return 0
        return max(max(self.keyframe_every) - 1 + self.keyframe_lag, self.least_lead)

    def phases(self, interval: int, stills: bool) -> range:
        """Frame of the first keyframe after the start, for each stream of an interval."""
        return range(interval if self.offsets == "all" and not stills else 1)


@dataclass(frozen=True)
class Scored:
    """Figures of one frame of one stream, to find the best and the worst by.

    Attributes:
        index: Of the frame in its source.
        phase: Of the stream, see `Plan.phases`.
        age: Frames since the keyframe.
        figures: Metrics of this frame alone.
    """

    index: int
    phase: int
    age: int
    figures: dict[str, float]


@dataclass
class Played:
    """What one source gave.

    Attributes:
        name: Of the source.
        scores: By interval K, then by age of the keyframe.
        frames: By interval K.
        depth_scale_assumed: No focal length was known, so that the scale of depth is a guess.
        led_up: Frames labelled with what the model predicts that only led up to others.
    """

    name: str
    scores: dict[int, dict[int, Scores]]
    frames: dict[int, list[Scored]] = field(default_factory=dict)
    depth_scale_assumed: bool = False
    led_up: int = 0
