# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From requests to frames: what is computed when, and what becomes of what fails."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

import torch

from .cameras import Cameras
from .continuity import UNSTAMPED
from .description import Bundle
from .evidence import keyframe_evidence
from .frame import STAGES, FailedFrame, Frame, FrameRequest
from .grouping import Pending, grouped
from .keyframe_modes import KeyframeMode
from .model import Model
from .streams import Answer

Computed = tuple[Answer, float | None]
"""What the network says of a frame, and the keyframe's evidence where that is wanted."""


class Answering(Cameras):
    """The half of :class:`.Perception` that computes frames, for one thread.

    Attributes:
        bundle: The model's description.
        max_batch_size: Frames that are computed at once, at most; halved when a batch fails
            of which each frame can be computed alone, for lack of memory most likely.
    """

    bundle: Bundle
    max_batch_size: int
    _model: Model
    _mode: KeyframeMode

    def _answer(self, requests: Iterable[FrameRequest]) -> Iterator[Frame | FailedFrame]:
        """The frames of different cameras, each as soon as it is there."""
        unanswered = {request.camera: self._take(request) for request in requests}
        try:
            groups = grouped(
                unanswered.values(),
                lambda frame: self._mode.is_batchable(frame.turn, frame.state),
                self._model.input_size,
                self.max_batch_size,
            )
            for group in groups:
                for outcome in self._answer_group(group):
                    del unanswered[outcome.camera]
                    yield outcome
        finally:  # whatever it was that ended this, the streams' states are half a frame's
            for frame in unanswered.values():
                self._fail(frame.turn.stream)

    def _take(self, request: FrameRequest) -> Pending:
        """A frame has come: what is to be made of it."""
        begin_s, camera, stamp_ns = time.perf_counter(), request.camera, request.stamp_ns
        time_ns = time.monotonic_ns() if stamp_ns == UNSTAMPED else stamp_ns
        stream, cause = self._begin(camera, stamp_ns, time_ns, request.rgb.shape[:2])
        self._mode.tick(camera)
        tasks = frozenset(request.tasks or ())
        turn, state = self._take_turn(camera, stream, stamp_ns, time_ns, tasks)
        return Pending(request, turn, state, cause, begin_s)

    def _answer_group(self, group: Sequence[Pending]) -> Iterator[Frame | FailedFrame]:
        """Frames that are computed at once; each by itself when that fails."""
        computed: list[Computed] = []
        try:
            computed, times_s = self._compute(group)
        except Exception as error:  # it is handed on, or what comes below raises it again
            if len(group) == 1:
                yield self._failed(group[0], error)
                return
        if not computed:  # not where it was caught: the error keeps the batch's tensors alive
            yield from self._answer_singly(group)
            return
        for frame, one in zip(group, computed, strict=True):
            try:
                outcome = self._finished(frame, one, times_s)
            except Exception as error:  # it is handed on, and the others have their maps
                yield self._failed(frame, error)
            else:
                yield outcome

    def _answer_singly(self, group: Sequence[Pending]) -> Iterator[Frame | FailedFrame]:
        """The frames of a batch that failed; where none fails alone, the batch was too large."""
        is_too_large = True
        for frame in group:
            for outcome in self._answer_group([frame]):
                is_too_large &= isinstance(outcome, Frame)
                yield outcome
        if is_too_large:
            self.max_batch_size = len(group) // 2

    def _failed(self, frame: Pending, error: Exception) -> FailedFrame:
        self._fail(frame.turn.stream)
        return FailedFrame(frame.request.camera, error)

    @torch.inference_mode()
    def _compute(self, group: Sequence[Pending]) -> tuple[list[Computed], list[float]]:
        """What the network says of frames that are computed at once, and the times between."""
        model = self._model
        with model.among_frames():
            times_s = [model.now()]
            images = [model.prepare(frame.request.rgb) for frame in group]
            times_s.append(model.now())
            turns, states = [frame.turn for frame in group], [frame.state for frame in group]
            if len(group) == 1:
                answers = [self._mode.answer(turns[0], images[0], states[0])]
            else:
                answers = self._mode.answer_batch(turns, images, states)
            computed = [(answer, self._evidence(answer)) for answer in answers]
            times_s.append(model.now())
        return computed, times_s

    def _evidence(self, answer: Answer) -> float | None:
        if answer.is_keyframe or not self.keyframes.wants_evidence:
            return None
        return keyframe_evidence(answer.state)

    @torch.inference_mode()
    def _finished(self, frame: Pending, computed: Computed, times_s: list[float]) -> Frame:
        """A frame with its maps, out of what the network says of it."""
        request, turn, model, (answer, evidence) = frame.request, frame.turn, self._model, computed
        with model.among_frames():
            begin_s, size = model.now(), request.rgb.shape[:2]
            maps = model.maps(answer.logits, size, request.focal_px, request.confidence)
            spans_s = (times_s[1] - times_s[0], times_s[2] - times_s[1], model.now() - begin_s)
        failure = self._finish(turn, answer, evidence)
        keyframe = turn.as_keyframe() if answer.is_keyframe else turn.keyframe
        depth = self.bundle.depth if "depth" in turn.tasks else None
        timings_ms = {stage: 1e3 * span for stage, span in zip(STAGES, spans_s, strict=True)}
        timings_ms["total"] = (time.perf_counter() - frame.begin_s) * 1e3
        return Frame(
            camera=turn.camera,
            stamp_ns=turn.stamp_ns,
            is_keyframe=answer.is_keyframe,
            keyframe_age=turn.number - keyframe.number,
            keyframe_age_s=(turn.time_ns - keyframe.time_ns) * 1e-9,
            reset_cause=frame.reset_cause,
            timings_ms=timings_ms,
            depth_scale_assumed=(depth is not None and depth.metric and request.focal_px is None),
            keyframe_stamp_ns=keyframe.stamp_ns,
            is_keyframe_new=answer.is_keyframe or turn.is_keyframe_new,
            keyframe_failure=failure,
            **maps,
        )
