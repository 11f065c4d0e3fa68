# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an accepted message to published outputs: what the worker does with a frame.

Everything here runs on the worker's thread.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import torch

from mila_ros.data.image_encodings import ImageError
from mila_ros.ros.camera_statistics import AnswerRecord
from mila_ros.ros.cameras import Camera, Incoming, nanoseconds
from mila_ros.ros.conversions import message_to_rgb
from mila_ros.ros.frame_checks import FrameChecks
from mila_ros.ros.geometry import Pinhole, pinhole
from mila_ros.ros.outputs import Answer
from mila_ros.ros.parameters import Settings
from mila_ros.ros.topics import STAGES
from mila_ros.streaming import EveryN, Frame, KeyframePolicy, OnRequest, Perception, ResetCause

LATENCY_LIMIT_MS = 60_000.0
"""Stamps farther than this from the ROS clock are of another clock."""


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
            engine=settings.engine,
            max_gap_s=settings.max_gap_s,
            max_cameras=len(settings.cameras),
        )
        self.perception.warm_up(*self.perception.bundle.input_size)
        self._cameras = cameras
        self._now_ns = now_ns
        self._warn = warn
        self._checks = FrameChecks(warn)
        self._settings = settings
        self._published_s: dict[str, float] = {}

    def process(self, name: str, incoming: Incoming) -> None:
        """Answer one frame: every watched output, or a counted reason why not."""
        begin = time.monotonic()
        camera, settings, info = self._cameras[name], incoming.settings, incoming.info
        watched = camera.outputs.watched()
        if not watched:
            camera.statistics.unwatched()
            return
        try:
            rgb = message_to_rgb(incoming.message, settings.max_image_pixels)
        except ImageError as error:
            camera.statistics.refused(error.cause, str(error))
            self._warn(f"{name}.{error.cause}", f"{camera.statistics.topic}: {error}")
            return
        convert_ms, frame = _milliseconds_since(begin), None
        height, width = rgb.shape[:2]
        model = pinhole(info, settings.depth_focal_length_px, width, height)
        wanted = watched - self._checks.without_calibration(name, camera, watched, info, model)
        tasks = camera.outputs.tasks(wanted)
        if tasks:
            self._apply(settings)
            change = self._checks.changed_format(name, incoming)
            if change is not None:
                self.perception.reset(name, cause=change)
            focal_px = model.fx if model else None
            frame = self.perception.step(
                rgb, stamp_ns=incoming.stamp_ns, camera=name, tasks=tasks, focal_px=focal_px
            )
        self._checks.calibration(name, camera, incoming, width, height)
        begin_publish = time.monotonic()
        answer = Answer(incoming.message.header, info, model, rgb, frame, settings)
        camera.outputs.publish(wanted, answer)
        if frame is not None:
            timings_ms = {
                "convert": convert_ms,
                **frame.timings_ms,
                "publish": _milliseconds_since(begin_publish),
                "processing": _milliseconds_since(begin),
            }
            self._account(name, incoming, frame, model, timings_ms)
            self._checks.time(name, camera, incoming.stamp_ns, frame.reset_cause)

    def restart(self) -> None:
        """Let every stream begin afresh because the node is activated anew; frees its features."""
        self.perception.reset(cause=ResetCause.ACTIVATED)
        self._checks.restart()
        self._published_s.clear()

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
            "engine": self.perception.engine.name,
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
        model: Pinhole | None,
        timings_ms: Mapping[str, float],
    ) -> None:
        camera, info = self._cameras[name], incoming.info
        now_s = time.monotonic()
        before_s, self._published_s[name] = self._published_s.get(name), now_s
        age_ms = (self._now_ns() - incoming.stamp_ns) * 1e-6
        latency_ms = age_ms if 0 <= age_ms < LATENCY_LIMIT_MS else None
        camera.statistics.answered(
            AnswerRecord(
                stamp_ns=incoming.stamp_ns,
                timings_ms=timings_ms,
                latency_ms=latency_ms,
                is_keyframe=frame.is_keyframe,
                keyframe_age=frame.keyframe_age,
                keyframe_age_s=frame.keyframe_age_s,
                resets={cause.value: n for cause, n in self.perception.resets(name).items()},
                focal_length=model.source if model else "assumed",
                info_lag_s=(incoming.stamp_ns - nanoseconds(info)) * 1e-9 if info else None,
            ),
            incoming.settings.diagnostics_max_allowed_processing_time_ms,
        )
        camera.outputs.publish_timings(
            {
                "debug/processing_time_ms": timings_ms["processing"],
                "debug/cyclic_time_ms": None if before_s is None else (now_s - before_s) * 1e3,
                "debug/pipeline_latency_ms": latency_ms,
                **{f"debug/stage/{stage}_ms": timings_ms[stage] for stage in STAGES},
            }
        )

    def _apply(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if _keyframe_settings(before) != _keyframe_settings(settings):
            policy = keyframe_policy(settings)
            for name in self.perception.cameras:
                policy.register(name)
            self.perception.keyframes = policy


def keyframe_policy(settings: Settings) -> KeyframePolicy:
    """Return the policy that the parameters ask for; the node's timer drives the one on request."""
    max_age_s = settings.keyframe_max_age_s
    if settings.keyframe_policy == "every":
        return EveryN(settings.keyframe_every, max_age_s)
    return OnRequest(max_age_s)


def _keyframe_settings(settings: Settings) -> tuple[object, ...]:
    return (
        settings.keyframe_policy,
        settings.keyframe_period_s,
        settings.keyframe_every,
        settings.keyframe_max_age_s,
    )


def _milliseconds_since(begin: float) -> float:
    return (time.monotonic() - begin) * 1e3
