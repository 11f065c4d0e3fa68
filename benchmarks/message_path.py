# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera frame's way through the node, from serialised message to serialised messages.

What the perception node does with a frame, by stage, without the transport: ``deserialize`` (what
taking a message costs), ``convert`` (message to pixels), ``preprocess``, ``network``,
``postprocess``, ``messages`` (pixels to messages) and ``serialize`` (what publishing costs before
the transport).
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mila_ros.ros.conversions import depth_message, mask_message, message_to_rgb, rgb_message
from mila_ros.streaming import Perception

STAGES = (
    "deserialize", "convert", "preprocess", "network", "postprocess", "messages", "serialize",
)  # fmt: skip
_IMAGES = 8
_FRAME_NS = 66_666_667


class MessagePath:
    """Frames of one camera through a model, each a message with noise in it.

    Args:
        perception: The model.
        width, height: Of the camera's images.
    """

    def __init__(self, perception: Perception, width: int, height: int) -> None:
        self._perception = perception
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (_IMAGES, height, width, 3), dtype=np.uint8)
        header = Header(frame_id="camera")
        self._messages = [serialize_message(rgb_message(image, header)) for image in images]
        self._count = 0

    def frame(self) -> dict[str, Any]:
        """Milliseconds by stage, their ``total``, and ``is_keyframe``."""
        self._count += 1
        times = [time.perf_counter()]
        message = deserialize_message(self._messages[self._count % _IMAGES], Image)
        times.append(time.perf_counter())
        rgb = message_to_rgb(message)
        times.append(time.perf_counter())
        frame = self._perception.step(rgb, stamp_ns=self._count * _FRAME_NS, confidence=False)
        times.append(time.perf_counter())
        messages = []
        if frame.segmentation is not None:
            messages.append(mask_message(frame.segmentation, message.header))
        if frame.depth is not None:
            messages.append(depth_message(frame.depth, message.header))
        if frame.motion is not None:
            messages.append(mask_message(frame.motion, message.header))
        times.append(time.perf_counter())
        for answer in messages:
            serialize_message(answer)
        times.append(time.perf_counter())
        deserialize, convert, step, make, serialize = (1e3 * (b - a) for a, b in pairwise(times))
        own = frame.timings_ms
        return {
            "deserialize": deserialize,
            "convert": convert,
            # What the step does beside the stages it names: bookkeeping.
            "preprocess": step - own["network"] - own["postprocess"],
            "network": own["network"],
            "postprocess": own["postprocess"],
            "messages": make,
            "serialize": serialize,
            "total": 1e3 * (times[-1] - times[0]),
            "is_keyframe": frame.is_keyframe,
        }
