# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One network over the videos of several cameras."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines import check_engine
from ..networks import Network
from .answering import Answering
from .bundle import load_bundle
from .description import Bundle
from .devices import resolve_device, set_threads
from .frame import FailedFrame, Frame, FrameRequest, check_request
from .keyframe_modes import BLOCKING, Blocking, Concurrent, KeyframeMode, check_keyframe_mode
from .keyframes import EveryN, KeyframePolicy
from .lanes import Lane, ThreadLane
from .model import Model
from .precision import check_precision

DEFAULT_MAX_GAP_S = 1.0
DEFAULT_MAX_CAMERAS = 16
CLOSE_TIMEOUT_S = 2.0


class Perception(Answering):
    """Runs a model over camera frames, each camera a stream of its own.

    ``step``, ``step_batch`` and ``warm_up`` are for one thread. The other methods may be called
    from any thread and never wait for a frame; what they ask for holds from the next frame on.

    Args:
        bundle: The model's description.
        network: Its network, in evaluation mode; it is moved to ``device``.
        device: See :func:`.devices.resolve_device`.
        keyframes: When the slow network runs; the bundle's interval when not given.
        threads: See :func:`.devices.set_threads`.
        max_gap_s: Seconds between two frames of a camera above which it starts afresh.
        max_cameras: Cameras whose state is kept; beyond them the one that was idle the longest is
            dropped, and counted in ``dropped_cameras``.
        precision: See :func:`.precision.resolve_precision`.
        engine: What runs the network, one of :data:`mila_ros.engines.ENGINES`. Engines that
            compile do so at the first frames of a size; :meth:`warm_up` does it beforehand.
        keyframe_mode: How the slow network runs: ``blocking``, as in the paper, within the frames
            that are due, which take longer; or ``concurrent``, beside the frames, see
            :class:`.keyframe_modes.Concurrent`. A network that has no fast encoder is blocking.
        keyframe_threads: Threads of the slow network on a CPU when it is concurrent; 0 for half of
            the others.
        lane: Where the slow network runs when it is concurrent; a thread of its own when not
            given.
        max_batch_size: Frames of different cameras that :meth:`step_batch` computes at once.

    Attributes:
        bundle: The model's description.
        device: The device in use.
        dropped_cameras: How often a camera's state was dropped for another's.
        engine: The engine in use; its ``name``, and what it is ``building`` now.
        keyframe_mode: ``blocking`` or ``concurrent``.
        max_cameras: As given.
        max_batch_size: As given; halved when a batch fails of which each frame can be computed
            alone, for lack of memory most likely.
        network: The network.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        MilaError: For a device, an engine, a precision or a way to run keyframes that is not
            there, or a negative number of threads.
        ValueError: For a gap, a number of cameras or a batch size that is not positive.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: Network,
        device: str = "auto",
        keyframes: KeyframePolicy | None = None,
        threads: int = 0,
        max_gap_s: float = DEFAULT_MAX_GAP_S,
        max_cameras: int = DEFAULT_MAX_CAMERAS,
        precision: str = "fp32",
        engine: str = "eager",
        keyframe_mode: str = BLOCKING,
        keyframe_threads: int = 0,
        lane: Lane | None = None,
        max_batch_size: int = 1,
    ) -> None:
        if max_batch_size < 1:
            raise ValueError(f"max_batch_size must be at least 1, not {max_batch_size}")
        check_keyframe_mode(keyframe_mode)
        set_threads(threads)
        self.bundle = bundle
        self.max_batch_size = max_batch_size
        self.max_cameras = max_cameras
        self.device = resolve_device(device)
        super().__init__(keyframes or EveryN(bundle.keyframe_every), max_cameras, max_gap_s)
        if keyframe_mode == BLOCKING or network.slow_only:
            lane = None
        else:
            lane = lane or ThreadLane(keyframe_threads)
            # At the end of the process too: a thread in the middle of torch would abort it.
            self._end = weakref.finalize(self, lane.close, CLOSE_TIMEOUT_S)
        self._model = Model(bundle, network, self.device, engine, precision, lane)
        self.network = self._model.network
        self.engine = self._model.engine
        self.precision = self._model.precision
        self._mode: KeyframeMode = Blocking(self._model)
        if lane is not None:
            self._mode = Concurrent(self._model, lane, self._lock)
        self.keyframe_mode = self._mode.name

    @classmethod
    def load(cls, model: str | Path, device: str = "auto", **settings: Any) -> Perception:
        """Verify and load a model bundle.

        Args:
            model: The bundle's folder, or the name of an installed model.
            device: See :func:`.devices.resolve_device`.
            **settings: See the class.

        Raises:
            MilaError: When the model, the device, the engine or the precision is not there.
            BundleError: When the bundle does not verify.
        """
        # What is not there is said before anything large is read.
        resolve_device(device)
        check_precision(settings.get("precision", "fp32"))
        check_engine(settings.get("engine", "eager"))
        check_keyframe_mode(settings.get("keyframe_mode", BLOCKING))
        bundle, network = load_bundle(model)
        return cls(bundle, network, device, **settings)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """End the slow network's thread, if there is one; no frame may come after.

        Returns:
            False when it is still at work after that time: it then ends by itself.
        """
        if self.keyframe_mode != BLOCKING:
            self._end.detach()
        return self._mode.close(timeout_s)

    def step(
        self,
        rgb: NDArray[np.uint8],
        *,
        stamp_ns: int,
        camera: str = "camera",
        tasks: Collection[str] | None = None,
        focal_px: float | None = None,
        confidence: bool = True,
    ) -> Frame:
        """Perceive one frame of a camera.

        A frame becomes a keyframe when the policy says so, when its stream starts (again), when a
        keyframe was requested, or when it asks for a task that the frame before it did not
        compute. A stream starts again when its frames are no longer one video, see
        :class:`.continuity.StreamMonitor`. Frames with stamp 0, from a driver without a clock,
        are one video; their time is then this machine's monotonic clock at this call.

        Args:
            rgb: uint8 [H, W, 3], any strides; only read.
            stamp_ns: When the frame was taken, in nanoseconds; 0 for unknown.
            camera: Which stream the frame belongs to.
            tasks: Names of the tasks to compute; None for all of the bundle's.
            focal_px: Horizontal focal length of this image in pixels, which sets the scale of
                metric depth; None when it is not known.
            confidence: Whether that of the segmentation is wanted, which takes time.

        Raises:
            ValueError: For an image that is none, a negative stamp, a task that the model does
                not have or none at all, or a focal length that is not positive. The stream is
                left as it was.
            Exception: Whatever the computation raises, as it is; the stream is reset with the
                cause ``ERROR`` then, and the next frame may well succeed.
        """
        request = FrameRequest(rgb, stamp_ns, camera, tasks, focal_px, confidence)
        (outcome,) = self.step_batch([request])
        if isinstance(outcome, Frame):
            return outcome
        try:
            raise outcome.error
        finally:  # the error knows this call: if that knew the error, both would keep the tensors
            del outcome

    def step_batch(self, requests: Iterable[FrameRequest]) -> Iterator[Frame | FailedFrame]:
        """Perceive one frame of each of several cameras; otherwise see :meth:`step`.

        Those that are alike (frames between keyframes, of one shape and with the same tasks) are
        computed at once, ``max_batch_size`` at most. Each is returned as soon as it is there,
        which is not the order in which they were given; those that are not fetched any more count
        as failed.

        Raises:
            ValueError: For a request that is not well, see :meth:`step`, two of one camera, or
                more cameras than ``max_cameras``. All streams are left as they were.
        """
        wanted = [check_request(self.bundle, request) for request in requests]
        cameras = [request.camera for request in wanted]
        if len(set(cameras)) < len(cameras):
            raise ValueError(f"give one frame of each camera, not of {', '.join(cameras)}")
        if len(cameras) > self.max_cameras:
            raise ValueError(
                f"give frames of at most {self.max_cameras} cameras at once (max_cameras), "
                f"not of {len(cameras)}"
            )
        return self._answer(wanted)

    def warm_up(self, height: int, width: int) -> None:
        """Compute keyframes of black images and the frames between them, of no camera.

        The first frame of a size takes longer than those after it: memory is allocated then, on a
        GPU the kernels are loaded and chosen, and engines that compile do it then.
        """
        self._model.warm_up(height, width, self.max_batch_size)
