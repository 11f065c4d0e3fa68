# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an accepted message to published outputs: what the worker does with a frame.

Everything here runs on the worker's thread.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping

import torch
from sensor_msgs.msg import CameraInfo

from mila_ros.data.image_encodings import ImageError
from mila_ros.ros.cameras import Camera, Incoming
from mila_ros.ros.conversions import camera_info_scale, message_to_rgb
from mila_ros.ros.diagnostics import AnswerRecord
from mila_ros.ros.parameters import Settings
from mila_ros.ros.publishers import Answer
from mila_ros.streaming import EveryN, Frame, KeyframePolicy, OnRequest, Perception, ResetCause

LATENCY_LIMIT_MS = 60_000.0
"""Stamps farther than this from the ROS clock are of another clock."""

_EXPECTED_RESETS = (None, ResetCause.START, ResetCause.ACTIVATED)


class Pipeline:
    """Runs the network over the cameras' frames and publishes what is watched.

    Args:
        settings: name the model; each frame brings its own, of which the others are taken.
        cameras: by name; they may be filled in later.
        now_ns: reads the ROS clock, by which latency is measured.
        warn: takes a key and a sentence, to be logged once in a while.

    Raises:
        MilaError: a user's mistake: no such model or device, a bundle that does not verify.
    """

    def __init__(
        self,
        settings: Settings,
        cameras: Mapping[str, Camera],
        now_ns: Callable[[], int],
        warn: Callable[[str, str], None],
    ) -> None:
        self.perception = Perception.load(
            settings.model,
            device=settings.device,
            keyframes=keyframe_policy(settings),
            threads=settings.cpu_threads,
            precision=settings.precision,
            max_gap_s=settings.max_gap_s,
            max_cameras=len(settings.cameras),
        )
        self.perception.warm_up(*self.perception.bundle.input_size)
        self._cameras = cameras
        self._now_ns = now_ns
        self._warn = warn
        self._settings = settings
        self._formats: dict[str, tuple[str, str]] = {}

    def process(self, name: str, incoming: Incoming) -> None:
        """Answer one frame: every watched output, or a counted reason why not."""
        begin = time.monotonic()
        camera = self._cameras[name]
        watched = camera.outputs.watched()
        if not watched:
            camera.statistics.unwatched()
            return
        try:
            rgb = message_to_rgb(incoming.message, incoming.settings.max_image_pixels)
        except ImageError as error:
            camera.statistics.refused(error.cause, str(error))
            self._warn(f"{name}.{error.cause}", f"{camera.statistics.topic}: {error}")
            return
        convert_ms = _milliseconds_since(begin)
        frame, focal = None, "n/a"
        tasks = camera.outputs.tasks(watched)
        if tasks:
            self._apply(incoming.settings)
            self._check_format(name, incoming)
            focal_px, focal = focal_length(incoming.info, incoming.settings, rgb.shape[1])
            frame = self.perception.step(
                rgb, stamp_ns=incoming.stamp_ns, camera=name, tasks=tasks, focal_px=focal_px
            )
        self._check_info(name, incoming, rgb.shape[:2])
        begin_publish = time.monotonic()
        header = incoming.message.header
        alpha = incoming.settings.segmentation_overlay_alpha
        camera.outputs.publish(watched, Answer(header, incoming.info, rgb, frame, alpha))
        if frame is not None:
            timings_ms = {
                "convert": convert_ms,
                **frame.timings_ms,
                "publish": _milliseconds_since(begin_publish),
                "processing": _milliseconds_since(begin),
            }
            self._account(name, incoming, frame, timings_ms, focal)

    def restart(self) -> None:
        """Let every stream begin afresh because the node is activated anew; frees its features."""
        self.perception.reset(cause=ResetCause.ACTIVATED)
        self._formats.clear()

    def jump_back(self) -> None:
        """Let every stream begin afresh because the ROS clock went back, or is another one now."""
        self.perception.reset(cause=ResetCause.TIME_JUMP_BACK)

    def close(self) -> None:
        """Free the model and what torch keeps of its memory."""
        del self.perception
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def wanted_period_s(self) -> float | None:
        """Seconds between keyframes, None where the policy counts frames."""
        is_timed = self._settings.keyframe_policy == "timer"
        return self._settings.keyframe_period_s if is_timed else None

    def describe(self) -> dict[str, object]:
        """What is loaded where, for the diagnostics; may be called from any thread."""
        bundle, device = self.perception.bundle, self.perception.device
        values: dict[str, object] = {
            "model": bundle.name,
            "tasks": ", ".join(bundle.task_names),
            "device": device,
            "precision": self.perception.precision,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        if device.type == "cuda":
            values["device_name"] = torch.cuda.get_device_name(device)
            values["memory_mb"] = torch.cuda.memory_allocated(device) >> 20
        return values

    def _account(
        self,
        name: str,
        incoming: Incoming,
        frame: Frame,
        timings_ms: Mapping[str, float],
        focal: str,
    ) -> None:
        camera = self._cameras[name]
        latency_ms = (self._now_ns() - incoming.stamp_ns) * 1e-6
        camera.statistics.answered(
            AnswerRecord(
                stamp_ns=incoming.stamp_ns,
                timings_ms=timings_ms,
                latency_ms=latency_ms if 0 <= latency_ms < LATENCY_LIMIT_MS else None,
                is_keyframe=frame.is_keyframe,
                keyframe_age=frame.keyframe_age,
                keyframe_age_s=frame.keyframe_age_s,
                resets={cause.value: n for cause, n in self.perception.resets(name).items()},
                focal_length=focal,
            )
        )
        if incoming.stamp_ns == 0:
            self._warn(
                f"{name}.no_time",
                f"{camera.statistics.topic}: the images carry no time (stamp 0), so that gaps and "
                "jumps cannot be noticed; let the driver stamp them.",
            )
        if frame.reset_cause not in _EXPECTED_RESETS:
            cause = frame.reset_cause.value
            sentence = f"{camera.statistics.topic}: the stream began afresh ({cause})."
            self._warn(f"{name}.reset.{cause}", sentence)

    def _apply(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if _keyframe_settings(before) != _keyframe_settings(settings):
            policy = keyframe_policy(settings)
            for name in self.perception.cameras:
                policy.register(name)
            self.perception.keyframes = policy

    def _check_format(self, name: str, incoming: Incoming) -> None:
        """Start afresh where encoding or frame_id change; `Perception` watches stamp and size."""
        frame_id = incoming.message.header.frame_id
        last = self._formats.get(name)
        self._formats[name] = (incoming.encoding, frame_id)
        if last is not None and last[0] != incoming.encoding:
            self.perception.reset(name, cause=ResetCause.ENCODING_CHANGED)
        elif last is not None and last[1] != frame_id:
            self.perception.reset(name, cause=ResetCause.FRAME_ID_CHANGED)

    def _check_info(self, name: str, incoming: Incoming, size: tuple[int, int]) -> None:
        info, topic = incoming.info, self._cameras[name].statistics.topic
        if info is None:
            return
        height, width = size
        scale = camera_info_scale(info, width, height)
        if scale != (1.0, 1.0):
            self._warn(
                f"{name}.info_size",
                f"{topic}: the images are {width}x{height} but camera_info is of "
                f"{info.width}x{info.height}; the calibration is scaled by {scale[0]:.3f} in x "
                f"and {scale[1]:.3f} in y.",
            )
        frame_id = incoming.message.header.frame_id
        if info.header.frame_id != frame_id:
            self._warn(
                f"{name}.info_frame",
                f"{topic}: the images are in the frame '{frame_id}' but camera_info is of "
                f"'{info.header.frame_id}'; check that the two topics are of the same camera.",
            )


def keyframe_policy(settings: Settings) -> KeyframePolicy:
    """Return the policy that the parameters ask for; the node's timer drives the one on request."""
    max_age_s = settings.keyframe_max_age_s
    if settings.keyframe_policy == "every":
        return EveryN(settings.keyframe_every, max_age_s)
    return OnRequest(max_age_s)


def focal_length(
    info: CameraInfo | None, settings: Settings, width: int
) -> tuple[float | None, str]:
    """Return fx in pixels of an image of this width, None if unknown, and where it is from."""
    if settings.depth_focal_length_px > 0:
        return settings.depth_focal_length_px, "parameter"
    if info is not None and math.isfinite(info.k[0]) and info.k[0] > 0:
        info_width = info.roi.width or info.width or width
        return float(info.k[0]) * width / info_width, "camera_info"
    return None, "assumed"


def _keyframe_settings(settings: Settings) -> tuple[object, ...]:
    return (
        settings.keyframe_policy,
        settings.keyframe_period_s,
        settings.keyframe_every,
        settings.keyframe_max_age_s,
    )


def _milliseconds_since(begin: float) -> float:
    return (time.monotonic() - begin) * 1e3
