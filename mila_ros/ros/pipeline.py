# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an accepted message to published outputs: what the worker does with a frame.

Everything here runs on the worker's thread.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from mila_ros.data.image_encodings import ImageError, RgbImage
from mila_ros.ros.accounts import Accounts
from mila_ros.ros.attention import prepare_attention
from mila_ros.ros.cameras import Camera, Incoming
from mila_ros.ros.conversions import message_to_rgb
from mila_ros.ros.frame_checks import FrameChecks
from mila_ros.ros.geometry import Pinhole, pinhole
from mila_ros.ros.keyframe_settings import keyframe_policy, policy_settings
from mila_ros.ros.outputs import Answer
from mila_ros.ros.parameters import Settings, heights_and_widths
from mila_ros.streaming import FailedFrame, Frame, FrameRequest, Perception, ResetCause


@dataclass(frozen=True, eq=False)
class Job:
    """A frame that can be answered.

    Attributes:
        name: its camera's.
        incoming: what came.
        begin_s: when work on it began, by ``time.monotonic``.
        convert_ms: how long its conversion took.
        rgb: the image, uint8 [H, W, 3].
        model: the calibration at that size; None where there is none.
        wanted: the topics to publish.
        request: what the network is asked for; None where no topic needs it.
    """

    name: str
    incoming: Incoming
    begin_s: float
    convert_ms: float
    rgb: RgbImage
    model: Pinhole | None
    wanted: frozenset[str]
    request: FrameRequest | None


Failed = Callable[[str, Incoming, Exception], None]


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
            keyframe_mode=settings.keyframe_mode,
            keyframe_threads=settings.keyframe_threads,
            max_batch_size=min(settings.max_batch_size, len(settings.cameras)),
        )
        for size in heights_and_widths(settings) or [self.perception.bundle.input_size]:
            self.perception.warm_up(*size)
        self._threads = torch.get_num_threads()  # which each thread is told apart
        self._cameras = cameras
        self._warn = warn
        self._checks = FrameChecks(warn)
        self._settings = settings
        self._accounts = Accounts(cameras, self.perception, now_ns)
        self._is_preparing = False

    def process(self, frames: Mapping[str, Incoming], failed: Failed) -> None:
        """Answer a frame of each camera: every watched output, or a counted reason why not.

        Args:
            frames: by camera.
            failed: told of each frame that raised something, which the others do not mind.
        """
        jobs: dict[str, Job] = {}
        for name, incoming in frames.items():
            try:
                job = self._begin(name, incoming)
                if job is not None and job.request is None:
                    self._publish(job, None)
                elif job is not None:
                    jobs[name] = job
            except Exception as error:  # it is told, and the other cameras are answered
                failed(name, incoming, error)
        size = self.perception.max_batch_size
        for frame in self.perception.step_batch([job.request for job in jobs.values()]):
            job = jobs[frame.camera]
            if isinstance(frame, FailedFrame):
                failed(job.name, job.incoming, frame.error)
                continue
            try:
                self._publish(job, frame)
            except Exception as error:  # as above
                failed(job.name, job.incoming, error)
        if (now := self.perception.max_batch_size) < size:
            self._warn("batch", f"A batch of frames failed; from now on at most {now} are one.")

    def _begin(self, name: str, incoming: Incoming) -> Job | None:
        """What there is to do for a frame; None where nothing can or need be done."""
        begin_s = time.monotonic()
        camera, settings, info = self._cameras[name], incoming.settings, incoming.info
        watched = camera.outputs.watched()
        if not watched:
            camera.statistics.unwatched()
            return None
        try:
            rgb = message_to_rgb(incoming.message, settings.max_image_pixels)
        except ImageError as error:
            camera.statistics.refused(error.cause, str(error))
            self._warn(f"{name}.{error.cause}", f"{camera.statistics.topic}: {error}")
            return None
        convert_ms = _milliseconds_since(begin_s)
        model = pinhole(info, settings.depth_focal_length_px, rgb.shape[1], rgb.shape[0])
        wanted = watched - self._checks.without_calibration(name, camera, watched, info, model)
        request = None
        if tasks := camera.outputs.tasks(wanted):
            self._apply(settings)
            change = self._checks.changed_format(name, incoming)
            if change is not None:
                self.perception.reset(name, cause=change)
            request = FrameRequest(
                rgb,
                stamp_ns=incoming.stamp_ns,
                camera=name,
                tasks=tasks,
                focal_px=model.fx if model else None,
                confidence="segmentation/confidence" in wanted,
            )
        return Job(name, incoming, begin_s, convert_ms, rgb, model, wanted, request)

    def _publish(self, job: Job, frame: Frame | None) -> None:
        """Publish what is wanted of a frame, and account for it."""
        begin_s, name, incoming = time.monotonic(), job.name, job.incoming
        camera = self._cameras[name]
        self._checks.calibration(name, camera, incoming, job.rgb.shape[1], job.rgb.shape[0])
        header, info = incoming.message.header, incoming.info
        answer = Answer(header, info, job.model, job.rgb, frame, incoming.settings)
        camera.outputs.publish(job.wanted, answer)
        if frame is None:
            return
        timings_ms = {
            "convert": job.convert_ms,
            **frame.timings_ms,
            "publish": _milliseconds_since(begin_s),
            "processing": _milliseconds_since(job.begin_s),
        }
        self._accounts.answered(name, incoming, frame, job.model, timings_ms)
        if frame.keyframe_failure is not None:
            self._warn(f"{name}.keyframe", f"{name}: {frame.keyframe_failure}")
        self._checks.time(name, camera, incoming.stamp_ns, frame.reset_cause)

    def restart(self) -> None:
        """Let every stream begin afresh because the node is activated anew; frees its features."""
        self.perception.reset(cause=ResetCause.ACTIVATED)
        self._checks.restart()
        self._accounts.restart()

    def jump_back(self) -> None:
        """Let every stream begin afresh because the ROS clock went back, or is another one now."""
        self.perception.reset(cause=ResetCause.TIME_JUMP_BACK)

    def prepare_attention(self, say: Callable[[str], None]) -> None:
        """Have local attention compiled beside the frames, once, where that makes them faster."""
        if not self._is_preparing:
            self._is_preparing = True
            prepare_attention(self.perception, say)

    def close(self) -> None:
        """Free the model and what torch keeps of its memory."""
        if not self.perception.close():
            self._warn("close", "The slow network is still busy with a keyframe; it is abandoned.")
        del self.perception, self._accounts
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
            "building": self.perception.engine.building or "",
            "keyframe_mode": self.perception.keyframe_mode,
            "max_batch_size": self.perception.max_batch_size,
            "threads": self._threads,
            "torch": torch.__version__,
        }
        if device.type == "cuda":
            values["device_name"] = torch.cuda.get_device_name(device)
            values["memory_mb"] = torch.cuda.memory_allocated(device) >> 20
        return values

    def _apply(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if policy_settings(before) != policy_settings(settings):
            policy = keyframe_policy(settings)
            for name in self.perception.cameras:
                policy.register(name)
            self.perception.keyframes = policy


def _milliseconds_since(begin: float) -> float:
    return (time.monotonic() - begin) * 1e3
