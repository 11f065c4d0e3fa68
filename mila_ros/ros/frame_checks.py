# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is odd about frames that are images all the same: told, and held against the stream."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import CameraInfo

from mila_ros.ros.cameras import Camera, Incoming
from mila_ros.ros.conversions import camera_info_scale
from mila_ros.ros.geometry import Pinhole
from mila_ros.streaming import ResetCause

_EXPECTED_RESETS = (ResetCause.START, ResetCause.ACTIVATED)


class FrameChecks:
    """Compares a frame with its calibration and with the frame before.

    Args:
        warn: takes a key and a sentence, to be logged once in a while.
    """

    def __init__(self, warn: Callable[[str, str], None]) -> None:
        self._warn = warn
        self._formats: dict[str, tuple[str, str]] = {}

    def restart(self) -> None:
        """Forget the frames before."""
        self._formats.clear()

    def changed_format(self, name: str, incoming: Incoming) -> ResetCause | None:
        """Return what of encoding and frame_id changed; `Perception` watches stamp and size."""
        frame_id = incoming.message.header.frame_id
        last = self._formats.get(name)
        self._formats[name] = (incoming.encoding, frame_id)
        if last is not None and last[0] != incoming.encoding:
            return ResetCause.ENCODING_CHANGED
        if last is not None and last[1] != frame_id:
            return ResetCause.FRAME_ID_CHANGED
        return None

    def without_calibration(
        self,
        name: str,
        camera: Camera,
        watched: frozenset[str],
        info: CameraInfo | None,
        model: Pinhole | None,
    ) -> frozenset[str]:
        """Return the watched topics that cannot be had for lack of a calibration, and tell them.

        What can be had, but is not what it should be, is told too: metres at a guessed scale.
        """
        lacking = camera.outputs.without_calibration(watched, info, model)
        is_guessed = model is None and "depth" in camera.outputs.tasks(watched - lacking)
        if not lacking and not is_guessed:
            camera.statistics.calibrated()
            return lacking
        what = "there is no calibration" if info is None else "the calibration is empty"
        effects = []
        if lacking:
            effects.append(f"there is no {', '.join(sorted(lacking))}")
        if is_guessed:
            effects.append(
                "the metres of depth are of a guessed scale, unless depth.focal_length_px is set"
            )
        sentence = f"{what} on {camera.info_topic}, without which {' and '.join(effects)}"
        camera.statistics.uncalibrated(sentence, is_lost=lacking == watched)
        self._warn(f"{name}.info_missing", f"{camera.statistics.topic}: {sentence}.")
        return lacking

    def calibration(
        self, name: str, camera: Camera, incoming: Incoming, width: int, height: int
    ) -> None:
        """Warn of a calibration that is of another size or frame than the image."""
        info, topic = incoming.info, camera.statistics.topic
        if info is None:
            return
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

    def time(
        self, name: str, camera: Camera, stamp_ns: int, reset_cause: ResetCause | None
    ) -> None:
        """Warn of a frame without a time, and of one with which the stream began afresh."""
        topic = camera.statistics.topic
        if stamp_ns == 0:
            self._warn(
                f"{name}.no_time",
                f"{topic}: the images carry no time (stamp 0), so that gaps and jumps cannot be "
                "noticed; let the driver stamp them.",
            )
        if reset_cause is not None and reset_cause not in _EXPECTED_RESETS:
            cause = reset_cause.value
            self._warn(f"{name}.reset.{cause}", f"{topic}: the stream began afresh ({cause}).")
