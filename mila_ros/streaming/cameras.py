# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The streams of all cameras, and which of their frames are to be keyframes."""

from __future__ import annotations

import threading

from ..networks import State
from .continuity import ResetCause
from .keyframes import KeyframePolicy
from .streams import Answer, Stream, Streams, Turn


class Cameras:
    """The half of :class:`.Perception` that keeps books and computes nothing.

    All public methods may be called from any thread and never wait for a frame; what they ask for
    holds from the next frame on.

    Args:
        keyframes: When the slow network runs.
        max_cameras: Cameras whose state is kept; beyond them the one that was idle the longest is
            dropped, and counted in ``dropped_cameras``.
        max_gap_s: Seconds between two frames of a camera above which it starts afresh.

    Attributes:
        dropped_cameras: How often a camera's state was dropped for another's.

    Raises:
        ValueError: For a gap or a number of cameras that is not positive.
    """

    def __init__(self, keyframes: KeyframePolicy, max_cameras: int, max_gap_s: float) -> None:
        self._keyframes = keyframes
        self._streams = Streams(max_cameras, max_gap_s)
        self._lock = threading.Lock()  # over all of this; never held while computing
        self.dropped_cameras = 0

    @property
    def keyframes(self) -> KeyframePolicy:
        """The policy in use. A new one starts with a keyframe of every camera."""
        return self._keyframes

    @keyframes.setter
    def keyframes(self, policy: KeyframePolicy) -> None:
        with self._lock:
            for camera in self._streams:
                policy.register(camera)
            self._keyframes = policy

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras whose state is kept, the longest idle first."""
        with self._lock:
            return tuple(self._streams)

    def reset(self, camera: str | None = None, *, cause: ResetCause | str) -> None:
        """Let a stream begin afresh with its next frame.

        Counted by cause, once per beginning: a stream that has been reset and had no frame since
        is left as it is, and so is a camera that is not known.

        Args:
            camera: Which; None for all.
            cause: What :meth:`resets` and the next frame's ``reset_cause`` will say.

        Raises:
            ValueError: For a cause that is none of :class:`ResetCause`.
        """
        cause = ResetCause(cause)
        with self._lock:
            names = self._streams if camera is None else {camera} & self._streams.keys()
            for name in names:
                if self._streams[name].restarted_by is None:
                    self._streams[name].restart(cause)

    def resets(self, camera: str) -> dict[ResetCause, int]:
        """How often a camera's stream began, by cause, since its state is kept."""
        with self._lock:
            return dict(self._streams[camera].resets) if camera in self._streams else {}

    def request_keyframe(self, camera: str) -> None:
        """Make the camera's next frame a keyframe."""
        with self._lock:
            if camera in self._streams:
                self._streams[camera].keyframe_wanted = True

    def _begin(
        self, camera: str, stamp_ns: int, time_ns: int, size: tuple[int, int]
    ) -> tuple[Stream, ResetCause | None]:
        """A frame has come: its stream, and why that begins afresh with it."""
        with self._lock:
            stream, dropped = self._streams.use(camera)
            if dropped is not None:
                self._keyframes.forget(dropped)
                self.dropped_cameras += 1
            cause = stream.begin(stamp_ns, time_ns, size)
            if cause is not None:
                self._keyframes.register(camera)
        return stream, cause

    def _take_turn(
        self, camera: str, stream: Stream, stamp_ns: int, time_ns: int, tasks: frozenset[str]
    ) -> tuple[Turn, State | None]:
        """What is to be made of the frame, and out of what."""
        with self._lock:
            is_keyframe_new = stream.take_arrived()
            self._keyframes.advance(time_ns)
            is_requested, stream.keyframe_wanted = stream.keyframe_wanted, False
            turn = Turn(
                camera=camera,
                stream=stream,
                generation=stream.generation,
                number=stream.number,
                stamp_ns=stamp_ns,
                time_ns=time_ns,
                tasks=tasks,
                is_due=(
                    is_requested
                    or stream.state is None
                    or not tasks <= stream.tasks
                    or self._keyframes.due(camera, time_ns)
                ),
                keyframe=stream.keyframe,
                is_keyframe_new=is_keyframe_new,
            )
            return turn, stream.state

    def _finish(self, turn: Turn, answer: Answer, evidence: float | None) -> str | None:
        """The frame has been computed; why there is no newer keyframe, if something failed."""
        with self._lock:
            turn.stream.finish(turn, answer.state, answer.is_keyframe)
            if answer.is_taken:
                self._keyframes.taken(turn.camera, turn.time_ns)
            else:
                self._keyframes.passed(turn.camera)
            if evidence is not None:
                self._keyframes.observe(turn.camera, turn.keyframe.time_ns, evidence)
            return turn.stream.failure

    def _fail(self, stream: Stream) -> None:
        """The frame could not be computed."""
        with self._lock:
            stream.restart(ResetCause.ERROR)
