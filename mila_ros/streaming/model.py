# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle's network on a device: images in, maps out. It knows nothing of streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from ..engines import build_engine
from ..engines.trees import leaves
from ..networks import Network, State
from ..networks.propagation import Source
from .batches import joined, joined_states, parted, parted_state
from .description import Bundle
from .lanes import Lane
from .postprocessing import Postprocessor, depth_scale
from .precision import resolve_precision
from .preprocessing import Preprocessor, network_size

Result = tuple[dict[str, Tensor], State]
"""Logits by task and the state for the next frame."""


class Model:
    """What every frame is computed with, in inference mode.

    Args:
        bundle: The model's description.
        network: Its network, in evaluation mode; it is moved to ``device``.
        device: The CPU or a GPU.
        engine: One of :data:`mila_ros.engines.ENGINES`.
        precision: See :func:`.precision.resolve_precision`.
        lane: Where the slow network runs, None for where frames are computed. On a GPU frames
            have a stream of high priority then, and the slow network one of low priority.

    Raises:
        MilaError: For an engine or a precision that is not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: Network,
        device: torch.device,
        engine: str,
        precision: str,
        lane: Lane | None,
    ) -> None:
        self.bundle = bundle
        self.device = device
        self.network = network.to(device)
        convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.engine = build_engine(engine, self.network, device)
        self._preprocess = Preprocessor(bundle.input, device)
        self._postprocess = Postprocessor(bundle)
        self._lane = lane
        self._streams: tuple[torch.cuda.Stream, torch.cuda.Stream] | None = None
        if lane is not None and device.type == "cuda":
            # Of the frames, and of the slow network: 0 is the lowest priority that there is.
            self._streams = torch.cuda.Stream(device, -1), torch.cuda.Stream(device, 0)
        self.precision = resolve_precision(precision, device, self._try, self.engine.precisions)
        self.engine.keep_only(self.precision)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the network's input for an image of that size."""
        return network_size(height, width, self.bundle.input_size)

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """The network's input for an image; see :class:`.preprocessing.Preprocessor`."""
        return self._preprocess(rgb)

    def step(
        self, image: Tensor, state: State | None, keyframe: bool, tasks: Collection[str] | None
    ) -> Result:
        """See :meth:`mila_ros.networks.Network.forward`."""
        return self.engine(image, state, keyframe=keyframe, tasks=tasks, precision=self.precision)

    def step_batch(
        self,
        images: Sequence[Tensor],
        states: Sequence[State | None],
        keyframe: bool,
        tasks: Collection[str] | None,
    ) -> list[Result]:
        """The same for several cameras' images, of one size and with states of one form."""
        count = len(images)
        logits, state = self.step(joined(images), joined_states(states), keyframe, tasks)
        return list(zip(parted(logits, count), parted_state(state, count), strict=True))

    def first_keyframe(self, image: Tensor, tasks: Collection[str] | None) -> Result:
        """A step of the slow network without a state, in the lane: engines fit it to its threads.

        Raises:
            Exception: Whatever the computation raises.
        """
        assert self._lane is not None
        step = partial(self.step, image, None, True, tasks)
        result: Result = self._lane.call(self.beside(step))
        return result

    def sources(self, image: Tensor) -> Mapping[str, Source]:
        """What later frames receive from a keyframe, of all branches; nothing is decoded."""
        return self.engine.sources(image, precision=self.precision)

    def maps(
        self,
        logits: Mapping[str, Tensor],
        size: tuple[int, int],
        focal_px: float | None,
        confidence: bool = True,
    ) -> dict[str, Any]:
        """Maps of ``size``, the image's height and width, by their names in :class:`.Frame`."""
        scale = 1.0
        if self.bundle.depth is not None:
            width = next(iter(logits.values())).shape[3]
            scale = depth_scale(self.bundle.depth, size[1], width, focal_px)
        numbers = {name: values.float() for name, values in logits.items()}
        return self._postprocess(numbers, size, scale, confidence)

    def among_frames(self) -> AbstractContextManager[Any]:
        """The context in which frames are computed; on a GPU that one is set, not the first."""
        if self._streams is not None:
            return torch.cuda.stream(self._streams[0])  # which sets its GPU too
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()

    def beside(self, compute: Callable[[], Any]) -> Callable[[], Any]:
        """A function that computes the same on the lane's thread, and is done when it returns.

        To be called where frames are computed, when the tensors that it reads are under way.
        """
        if self._streams is None:
            return torch.inference_mode()(compute)
        ready = torch.cuda.current_stream(self.device).record_event()
        return partial(self._on_slow_stream, compute, ready, *self._streams)

    @torch.inference_mode()
    def _on_slow_stream(
        self,
        compute: Callable[[], Any],
        ready: torch.cuda.Event,
        frames: torch.cuda.Stream,
        slow: torch.cuda.Stream,
    ) -> Any:
        with torch.cuda.device(self.device), torch.cuda.stream(slow):
            ready.wait()
            result = compute()
            done = torch.cuda.Event(blocking=True)  # this thread sleeps, it does not spin
            done.record()
            done.synchronize()
        for tensor in _tensors(result):
            tensor.record_stream(frames)
        return result

    def now(self) -> float:
        """Seconds, once the device has done all that it was given where this is called."""
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        return time.perf_counter()

    @torch.inference_mode()
    def warm_up(self, height: int, width: int, batch_size: int = 1) -> None:
        """Compute black frames in all the ways in which frames are computed.

        Args:
            height, width: Theirs.
            batch_size: Cameras at once, at most.
        """
        tasks = frozenset(self.bundle.task_names)
        slow_only = self.network.slow_only
        # What a young stream lacks is the frame itself, and a keyframe after a keyframe sees motion
        # against that one: five ways; and beside a lane, two more.
        with self.among_frames():
            image = self.prepare(np.zeros((height, width, 3), np.uint8))
            state = None
            if self._lane is not None:
                _, young = self.step(image, None, False, tasks)
                self.step(image, young, False, tasks)
                logits, state = self.first_keyframe(image, tasks)
                self.maps(logits, (height, width), None)
                self._lane.call(self.beside(partial(self.sources, image)))
            kinds = (True, True, False, False, True) if state is None else (False, False)
            for kind in kinds:
                keyframe = kind or slow_only
                if slow_only or not keyframe:
                    for count in range(2, batch_size + 1):
                        self.step_batch([image] * count, [state] * count, keyframe, tasks)
                logits, state = self.step(image, state, keyframe, tasks)
                self.maps(logits, (height, width), None)
            self.now()

    def _try(self, precision: str) -> None:
        self.precision = precision
        self.warm_up(*self.bundle.input_size)


def _tensors(result: Any) -> list[Tensor]:
    """All tensors in what ``step`` or ``sources`` returned."""
    if isinstance(result, tuple):
        logits, state = result
        result = (logits, state.key, state.last)
    return [tensor for _, tensor in leaves(result)]
