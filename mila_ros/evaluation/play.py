# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a labelled video through a model at every distance to the keyframe, and score it.

MILA (section 4.1) evaluates an annotated frame at each of the K distances 0..K-1 that it can have
to its keyframe. Here one pass over the video runs K streams whose keyframes are shifted by a frame
each, so that every frame is seen once at every distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np

from mila_ros.networks import Network
from mila_ros.streaming import Bundle, Frame, OnRequest, Perception, ResetCause
from mila_ros.streaming.lanes import LagLane

from .plan import Plan, Played, Scored
from .scores import Earlier, Scores
from .sources import LabelledFrame, LabelledSource


class Player:
    """A model with the streams of all intervals.

    Args:
        bundle: The model's description.
        network: Its network, in evaluation mode.
        plan: How videos are played.
        device, precision, threads, engine: See :class:`mila_ros.streaming.Perception`.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: Network,
        plan: Plan,
        device: str = "auto",
        precision: str = "fp32",
        threads: int = 0,
        engine: str = "eager",
    ) -> None:
        self.plan = plan
        self.perception = Perception(
            bundle,
            network,
            device,
            keyframes=OnRequest(math.inf),
            threads=threads,
            max_cameras=sum(plan.keyframe_every),
            precision=precision,
            engine=engine,
            keyframe_mode="concurrent" if plan.keyframe_lag else "blocking",
            lane=LagLane(plan.keyframe_lag) if plan.keyframe_lag else None,
        )

    def play(
        self, source: LabelledSource, watch: Callable[[LabelledFrame], None] | None = None
    ) -> Played:
        """Score a source.

        Args:
            source: The video.
            watch: Called after each frame.

        Raises:
            MilaError: It cannot be read.
        """
        played = Played(source.name, {k: {} for k in self.plan.keyframe_every})
        earlier: dict[tuple[int, int], Earlier] = {}
        for labelled, position, streams in self._steps(source):
            leads_up = position < self.plan.lead and not source.stills
            played.led_up += leads_up and labelled.truth.is_about(self.perception.bundle.task_names)
            for (interval, phase), found in streams:
                played.depth_scale_assumed |= found.depth_scale_assumed
                before = earlier.pop((interval, phase), None)
                if found.segmentation is not None and labelled.truth.flow is not None:
                    earlier[interval, phase] = Earlier(found.segmentation, labelled.truth)
                if leads_up or labelled.truth.is_empty:
                    continue
                scores = Scores(self.plan.scheme)
                continues = before is not None and found.reset_cause is None
                scores.update(found, labelled.truth, source.classes, before if continues else None)
                age = found.keyframe_age
                of_age = played.scores[interval].setdefault(age, Scores(self.plan.scheme))
                of_age.merge(scores)
                played.frames.setdefault(interval, []).append(
                    Scored(labelled.index, phase, age, scores.result())
                )
            if watch is not None:
                watch(labelled)
        return played

    def frames(
        self, source: LabelledSource, interval: int, phase: int, indices: Collection[int]
    ) -> Iterator[tuple[LabelledFrame, Frame]]:
        """Some frames of one stream again; it is played as far as the last of them."""
        for labelled, _, streams in self._steps(source, (interval, phase), indices):
            found = next(found for _, found in streams)
            if labelled.index in indices:
                yield labelled, found
            if labelled.index >= max(indices):
                break

    def _steps(
        self,
        source: LabelledSource,
        only: tuple[int, int] | None = None,
        indices: Collection[int] | None = None,
    ) -> Iterator[tuple[LabelledFrame, int, Iterator[tuple[tuple[int, int], Frame]]]]:
        """Each frame, its position since the video began, and what each stream finds in it.

        The streams of a frame are to be consumed before the next. Stills that are not among the
        indices are left out: nothing follows from them.
        """
        streams = [
            (interval, phase)
            for interval in self.plan.keyframe_every
            for phase in self.plan.phases(interval, source.stills)
        ]
        chosen = streams if only is None else [only]
        self.perception.reset(cause=ResetCause.RELOADED)
        position = -1
        for read in source.frames():
            labelled = self._with_motion(read)
            if source.stills:
                if indices is not None and labelled.index not in indices:
                    continue
                self.perception.reset(cause=ResetCause.RELOADED)
            position += 1
            first = self._step(labelled, source, chosen[0], position)
            if first.reset_cause is not None:
                # All streams start again here; the keyframes of each are counted from its start.
                position = 0
            yield labelled, position, self._all(first, labelled, source, chosen, position)

    def _with_motion(self, labelled: LabelledFrame) -> LabelledFrame:
        if not self.plan.static_scene or labelled.truth.motion is not None:
            return labelled
        nothing = np.zeros(labelled.image.shape[:2], np.uint8)
        return replace(labelled, truth=replace(labelled.truth, motion=nothing))

    def _all(
        self,
        first: Frame,
        labelled: LabelledFrame,
        source: LabelledSource,
        streams: list[tuple[int, int]],
        position: int,
    ) -> Iterator[tuple[tuple[int, int], Frame]]:
        yield streams[0], first
        for stream in streams[1:]:
            yield stream, self._step(labelled, source, stream, position)

    def _step(
        self,
        labelled: LabelledFrame,
        source: LabelledSource,
        stream: tuple[int, int],
        position: int,
    ) -> Frame:
        interval, phase = stream
        camera = f"every {interval}, from {phase}"
        if (position - phase) % interval == 0:
            self.perception.request_keyframe(camera)
        return self.perception.step(
            labelled.image,
            stamp_ns=labelled.stamp_ns,
            camera=camera,
            focal_px=source.focal_px,
            confidence=False,
        )
