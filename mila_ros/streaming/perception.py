# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One network over the videos of several cameras."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import convert_conv2d_weight_memory_format

from ..engines import build_engine, check_engine
from ..networks import Network, State
from .bundle import load_bundle
from .continuity import UNSTAMPED, ResetCause
from .description import Bundle
from .devices import resolve_device, set_threads
from .frame import Frame
from .keyframes import EveryN, KeyframePolicy
from .postprocessing import Postprocessor, depth_scale
from .precision import check_precision, resolve_precision
from .preprocessing import Preprocessor, check_image
from .streams import Stream, Streams

DEFAULT_MAX_GAP_S = 1.0
DEFAULT_MAX_CAMERAS = 16


class Perception:
    """Runs a model over camera frames, one at a time, each camera a stream of its own.

    ``step`` is for one thread. The other methods may be called from any thread and never wait for
    a frame; what they ask for holds from the next frame on.

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

    Attributes:
        bundle: The model's description.
        device: The device in use.
        dropped_cameras: How often a camera's state was dropped for another's.
        engine: The engine in use; its ``name``, and what it is ``building`` now.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        MilaError: For a device, an engine or a precision that is not there, or a negative number
            of threads.
        ValueError: For a gap or a number of cameras that is not positive.
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
    ) -> None:
        set_threads(threads)
        self.bundle = bundle
        self.device = resolve_device(device)
        self._keyframes = keyframes or EveryN(bundle.keyframe_every)
        self.dropped_cameras = 0
        self._network = network.to(self.device)
        convert_conv2d_weight_memory_format(self._network, torch.channels_last)
        self.engine = build_engine(engine, self._network, self.device)
        self._preprocess = Preprocessor(bundle.input, self.device)
        self._postprocess = Postprocessor(bundle)
        self._streams = Streams(max_cameras, max_gap_s)
        self._lock = threading.Lock()  # over the streams' bookkeeping; never held while computing
        self.precision = resolve_precision(
            precision, self.device, self._try_precision, self.engine.precisions
        )
        self.engine.keep_only(self.precision)

    @classmethod
    def load(
        cls,
        model: str | Path,
        device: str = "auto",
        keyframes: KeyframePolicy | None = None,
        threads: int = 0,
        max_gap_s: float = DEFAULT_MAX_GAP_S,
        max_cameras: int = DEFAULT_MAX_CAMERAS,
        precision: str = "fp32",
        engine: str = "eager",
    ) -> Perception:
        """Verify and load a model bundle.

        Args:
            model: The bundle's folder, or the name of an installed model.
            device, keyframes, threads, max_gap_s, max_cameras, precision, engine: See the class.

        Raises:
            MilaError: When the model, the device, the engine or the precision is not there.
            BundleError: When the bundle does not verify.
        """
        resolve_device(device)
        check_precision(precision)
        check_engine(engine)
        bundle, network = load_bundle(model)
        return cls(
            bundle,
            network,
            device,
            keyframes,
            threads,
            max_gap_s,
            max_cameras,
            precision,
            engine,
        )

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

    def step(
        self,
        rgb: NDArray[np.uint8],
        *,
        stamp_ns: int,
        camera: str = "camera",
        tasks: Collection[str] | None = None,
        focal_px: float | None = None,
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

        Raises:
            ValueError: For an image that is none, a negative stamp, a task that the model does
                not have or none at all, or a focal length that is not positive. The stream is
                left as it was.
            Exception: Whatever the computation raises, as it is; the stream is reset with the
                cause ``ERROR`` then, and the next frame may well succeed.
        """
        begin = time.perf_counter()
        rgb = check_image(rgb)
        size = rgb.shape[:2]
        wanted = self._check(stamp_ns, tasks, focal_px)
        time_ns = time.monotonic_ns() if stamp_ns == UNSTAMPED else stamp_ns
        with self._lock:
            stream = self._use(camera)
            cause = stream.begin(stamp_ns, size)
            if cause is not None:
                self._keyframes.register(camera)
            keyframe = self._is_keyframe(stream, camera, time_ns, wanted)
            state = stream.state
        try:
            maps, state, timings_ms = self._compute(rgb, state, keyframe, wanted, focal_px)
        except BaseException:
            with self._lock:
                stream.restart(ResetCause.ERROR)
            raise
        with self._lock:
            stream.finish(state, wanted, time_ns, keyframe)
            if keyframe:
                self._keyframes.taken(camera, time_ns)
            else:
                self._keyframes.passed(camera)
        depth = self.bundle.depth if "depth" in wanted else None
        timings_ms["total"] = (time.perf_counter() - begin) * 1e3
        return Frame(
            camera=camera,
            stamp_ns=stamp_ns,
            is_keyframe=keyframe,
            keyframe_age=stream.keyframe_age,
            keyframe_age_s=(time_ns - stream.keyframe_ns) * 1e-9,
            reset_cause=cause,
            timings_ms=timings_ms,
            depth_scale_assumed=depth is not None and depth.metric and focal_px is None,
            **maps,
        )

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

    def warm_up(self, height: int, width: int) -> None:
        """Compute two keyframes of a black image and the frames between them, of no camera.

        The first frame of a size takes longer than those after it: memory is allocated then, on a
        GPU the kernels are loaded and chosen, and engines that compile do it then.
        """
        black = np.zeros((height, width, 3), np.uint8)
        tasks = frozenset(self.bundle.task_names)
        state = None
        # Four frames are computed in four ways: what a young stream lacks is the frame itself.
        for keyframe in (True, False, False, True):
            keyframe = keyframe or self._network.slow_only
            _, state, _ = self._compute(black, state, keyframe, tasks, None)

    def _try_precision(self, precision: str) -> None:
        self.precision = precision
        self.warm_up(*self.bundle.input_size)

    def _check(
        self, stamp_ns: int, tasks: Collection[str] | None, focal_px: float | None
    ) -> frozenset[str]:
        """The tasks to compute, when all is well."""
        if stamp_ns < 0:
            raise ValueError(f"a stamp must not be negative, but it is {stamp_ns} ns")
        if focal_px is not None and not (focal_px > 0 and math.isfinite(focal_px)):
            raise ValueError(f"a focal length must be positive and finite, not {focal_px} px")
        if isinstance(tasks, str):
            raise ValueError(f"tasks must be a collection of names, not one text {tasks!r}")
        known = frozenset(self.bundle.task_names)
        wanted = known if tasks is None else frozenset(tasks)
        if not wanted or not wanted <= known:
            raise ValueError(
                f"the model {self.bundle.name} has the tasks {', '.join(self.bundle.task_names)}; "
                f"ask for some of them, not for {', '.join(sorted(wanted - known)) or 'none'}"
            )
        return wanted

    def _use(self, camera: str) -> Stream:
        stream, dropped = self._streams.use(camera)
        if dropped is not None:
            self._keyframes.forget(dropped)
            self.dropped_cameras += 1
        return stream

    def _is_keyframe(
        self, stream: Stream, camera: str, time_ns: int, wanted: frozenset[str]
    ) -> bool:
        self._keyframes.advance(time_ns)
        requested, stream.keyframe_wanted = stream.keyframe_wanted, False
        return (
            requested
            or stream.state is None
            or not wanted <= stream.tasks
            or self._network.slow_only
            or self._keyframes.due(camera, time_ns)
        )

    @torch.inference_mode()
    def _compute(
        self,
        rgb: NDArray[np.uint8],
        state: State | None,
        keyframe: bool,
        tasks: frozenset[str],
        focal_px: float | None,
    ) -> tuple[dict[str, Any], State, dict[str, float]]:
        """Maps by their names in :class:`Frame`, the next state, and the stages' times."""
        times = [self._now()]
        image = self._preprocess(rgb)
        times.append(self._now())
        logits, state = self.engine(
            image, state, keyframe=keyframe, tasks=tasks, precision=self.precision
        )
        logits = {name: values.float() for name, values in logits.items()}
        times.append(self._now())
        scale = 1.0
        if self.bundle.depth is not None:
            scale = depth_scale(self.bundle.depth, rgb.shape[1], image.shape[3], focal_px)
        maps = self._postprocess(logits, rgb.shape[:2], scale)
        times.append(self._now())
        spans = (1e3 * (end - start) for start, end in pairwise(times))
        return maps, state, dict(zip(("preprocess", "network", "postprocess"), spans, strict=True))

    def _now(self) -> float:
        """Seconds, once the device has done all it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
