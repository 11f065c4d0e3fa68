# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two ways to run the slow network: within the frame that is due, and beside the frames."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from ..errors import MilaError
from ..networks import State
from .lanes import Lane
from .model import Model
from .streams import Answer, Turn

BLOCKING, CONCURRENT = "blocking", "concurrent"
KEYFRAME_MODES = (BLOCKING, CONCURRENT)

_log = logging.getLogger("mila_ros.streaming")


def check_keyframe_mode(name: str) -> None:
    """Raise a MilaError unless the name is one of ``KEYFRAME_MODES``."""
    if name not in KEYFRAME_MODES:
        raise MilaError(f"unknown keyframe mode {name!r}; choose {' or '.join(KEYFRAME_MODES)}")


class KeyframeMode(ABC):
    """Computes frames; called by one thread.

    Args:
        model: What with.
    """

    name: str

    def __init__(self, model: Model) -> None:
        self._model = model

    @abstractmethod
    def answer(self, turn: Turn, image: Tensor, state: State | None) -> Answer:
        """The logits of a frame.

        Args:
            turn: Which frame, and whether it is to be a keyframe.
            image: The network's input.
            state: What the frame before left; None at the start of a stream, which is due.
        """

    @abstractmethod
    def is_batchable(self, turn: Turn, state: State | None) -> bool:
        """Whether the frame takes as long as any other, and need not be computed by itself."""

    def answer_batch(
        self, turns: Sequence[Turn], images: Sequence[Tensor], states: Sequence[State | None]
    ) -> list[Answer]:
        """The logits of frames of several cameras at once, each of which is batchable.

        Args:
            turns: With the same tasks.
            images: Of the same shape.
            states: Of the same form, see :func:`.batches.form`.
        """
        is_keyframe = self._model.network.slow_only
        results = self._model.step_batch(images, states, is_keyframe, turns[0].tasks)
        return [
            Answer(logits, new, is_keyframe, is_keyframe or turn.is_due)
            for turn, (logits, new) in zip(turns, results, strict=True)
        ]

    def tick(self, camera: str) -> None:  # noqa: B027 (only a lane counts frames)
        """A frame of the camera has come; called before its turn is decided."""

    def close(self, timeout_s: float) -> bool:
        """End what runs beside the frames; False when it does not end in time."""
        return True


class Blocking(KeyframeMode):
    """The paper's: a frame that is due is computed by the slow network, and takes longer."""

    name = BLOCKING

    def answer(self, turn: Turn, image: Tensor, state: State | None) -> Answer:
        is_keyframe = turn.is_due or self._model.network.slow_only
        logits, new = self._model.step(image, state, is_keyframe, turn.tasks)
        return Answer(logits, new, is_keyframe, is_keyframe)

    def is_batchable(self, turn: Turn, state: State | None) -> bool:
        return self._model.network.slow_only or not turn.is_due


class Concurrent(KeyframeMode):
    """Every frame is answered by the fast network; the slow one sees some beside it.

    What it makes of a frame is handed to the stream whole, to be taken between two of its frames;
    not when the stream has begun afresh since. Only the first frame of a stream waits for the slow
    network, so that there is something to propagate; and not even that one while the slow network
    is at work for another camera. When the slow network fails, frames go on with the keyframe
    that they have, and with none from themselves.

    Args:
        model: With the same lane.
        lane: Where the slow network runs.
        lock: Over the streams' bookkeeping.
    """

    name = CONCURRENT

    def __init__(self, model: Model, lane: Lane, lock: threading.Lock) -> None:
        super().__init__(model)
        self._lane = lane
        self._lock = lock

    def answer(self, turn: Turn, image: Tensor, state: State | None) -> Answer:
        if state is None and self._lane.is_free():
            first = self._first(turn, image)
            if first is not None:
                return first
        elif turn.is_due:
            self._submit(turn, image)
        logits, new = self._model.step(image, state, False, turn.tasks)
        return Answer(logits, new, False, turn.is_due)

    def is_batchable(self, turn: Turn, state: State | None) -> bool:
        return state is not None

    def answer_batch(
        self, turns: Sequence[Turn], images: Sequence[Tensor], states: Sequence[State | None]
    ) -> list[Answer]:
        for turn, image in zip(turns, images, strict=True):
            if turn.is_due:
                self._submit(turn, image)
        return super().answer_batch(turns, images, states)

    def tick(self, camera: str) -> None:
        self._lane.tick(camera)

    def close(self, timeout_s: float) -> bool:
        return self._lane.close(timeout_s)

    def _submit(self, turn: Turn, image: Tensor) -> None:
        compute = self._model.beside(partial(self._model.sources, image))
        self._lane.submit(turn.camera, partial(self._run, turn, compute))

    def _first(self, turn: Turn, image: Tensor) -> Answer | None:
        """A stream's beginning by the slow network; None when that fails."""
        try:
            logits, state = self._model.first_keyframe(image, turn.tasks)
        except Exception as error:  # whatever it is, the fast network can answer
            self._fail(turn, error)
            return None
        return Answer(logits, state, True, True)

    def _run(self, turn: Turn, compute: Callable[[], Any]) -> None:
        """What the lane does with a keyframe."""
        if turn.generation != turn.stream.generation:
            return
        try:
            sources = compute()
        except Exception as error:  # it is told, and the next keyframe is tried
            self._fail(turn, error)
            return
        with self._lock:
            turn.stream.deliver(turn, sources)

    def _fail(self, turn: Turn, error: Exception) -> None:
        text = str(error).strip().splitlines()
        kind = "" if isinstance(error, MilaError) else f"{type(error).__name__}: "
        sentence = f"the slow network failed: {kind}{text[0] if text else 'without a word'}"
        with self._lock:
            is_first = turn.stream.fail(turn, sentence)
        if is_first:
            _log.error("%s: %s", turn.camera, sentence, exc_info=error)
