# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A side-by-side picture of a frame and its answers, once in a while, drawn in a thread."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from mila_ros.data.datasets.normals import rgb8_from_normals
from mila_ros.data.datasets.pascal_labels import HUMAN_PARTS7
from mila_ros.data.frames import SourceError
from mila_ros.data.image_encodings import RgbImage
from mila_ros.paths import DESCRIPTION_FILE, find_model
from mila_ros.ros.conversions import message_to_rgb
from mila_ros.visualization import (
    Color,
    Panel,
    colorize_depth,
    overlay_motion,
    overlay_segmentation,
    palette_lut,
    side_by_side,
)

ANSWER_TIME_S = 0.3
"""After the first output of a frame, how long its others are waited for."""

PATIENCE_S = 10.0
"""How long a frame is waited for where no later one is answered either."""


@dataclass(frozen=True)
class Colors:
    """How classes and depths are drawn."""

    legend: tuple[tuple[str, Color], ...]
    lut: RgbImage
    depth_range_m: tuple[float, float]

    @classmethod
    def of_model(cls, model: str) -> Colors:
        """Those of a model bundle; without one (``""``) 20 hues without names, and 0.5 to 100 m.

        Raises:
            MilaError: There is no such model.
        """
        description = {}
        if model:
            # Read by itself: the checks of mila_ros.streaming would bring torch along.
            description = json.loads((find_model(model) / DESCRIPTION_FILE).read_text("utf-8"))
        colors = {label["id"]: tuple(label["color"]) for label in description.get("labels", [])}
        names = {label["id"]: label["name"] for label in description.get("labels", [])}
        depth = description.get("depth", {"min_m": 0.5, "max_m": 100.0})
        return cls(
            legend=tuple((names[number], colors[number]) for number in sorted(names)),
            lut=palette_lut(colors or {number: _hue(number) for number in range(20)}),
            depth_range_m=(depth["min_m"], depth["max_m"]),
        )


@dataclass
class Snapshot:
    """A frame to draw: its serialised input and, by topic, its serialised outputs."""

    index: int
    stamp_ns: int
    image: bytes
    at_s: float
    outputs: dict[str, bytes] = field(default_factory=dict)
    is_keyframe: bool = False
    first_output_s: float | None = None


class Snapshots:
    """Chooses a frame every ``period_s``, gathers its answers and draws them.

    Not thread-safe, but for the drawing, which is its own business.

    Args:
        directory: Where ``frame_NNNNNN.png`` are written, N being the number of the input.
        colors: How classes and depths are drawn.
        image_type: Of the input.
        period_s: Between two pictures.
    """

    def __init__(
        self,
        directory: Path,
        colors: Colors,
        image_type: type[Image] | type[CompressedImage],
        period_s: float,
    ) -> None:
        self._directory, self._colors, self._image_type = directory, colors, image_type
        self._period_s = period_s
        self._open: Snapshot | None = None
        self._next_s = 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._drawing: Future[None] | None = None

    def image(self, index: int, stamp_ns: int, data: bytes, now_s: float) -> None:
        """Offer the input with this number, serialised."""
        if self._open is None and now_s >= self._next_s:
            self._open = Snapshot(index, stamp_ns, data, now_s)

    def output(self, topic: str, stamp_ns: int, data: bytes, now_s: float) -> None:
        """Offer an output, serialised."""
        if self._open is None:
            return
        if self._open.stamp_ns == stamp_ns:
            self._open.outputs[topic] = data
            self._open.first_output_s = self._open.first_output_s or now_s
        elif self._open.stamp_ns < stamp_ns and self._open.first_output_s is None:
            self._open = None  # it was dropped: a later frame is answered, it will not be

    def keyframe(self, stamp_ns: int) -> None:
        """Say that the frame with this stamp was a keyframe."""
        if self._open is not None and self._open.stamp_ns == stamp_ns:
            self._open.is_keyframe = True

    def tick(self, now_s: float) -> None:
        """Draw the frame whose outputs had their time; to be called a few times a second.

        Raises:
            SourceError: The last picture could not be written.
        """
        if self._drawing is not None and self._drawing.done():
            self._drawing.result()
        snapshot = self._open
        if snapshot is None:
            return
        if snapshot.first_output_s is None:
            if now_s - snapshot.at_s > PATIENCE_S:
                self._open = None
        elif now_s - snapshot.first_output_s >= ANSWER_TIME_S:
            self._draw(snapshot)
            self._open = None
            self._next_s = snapshot.at_s + self._period_s

    def close(self, timeout_s: float) -> None:
        """Draw what is waiting, as long as the time allows."""
        if self._open is not None and self._open.outputs:
            self._draw(self._open)
        self._pool.shutdown(wait=False)
        if self._drawing is not None:
            self._drawing.result(timeout_s)

    def _draw(self, snapshot: Snapshot) -> None:
        if self._drawing is not None and not self._drawing.done():
            return  # a slow disk or machine: fewer pictures, not a queue of them
        self._drawing = self._pool.submit(self._write, snapshot)

    def _write(self, snapshot: Snapshot) -> None:
        picture = cv2.cvtColor(draw(snapshot, self._colors, self._image_type), cv2.COLOR_RGB2BGR)
        path = self._directory / f"frame_{snapshot.index:06d}.png"
        try:
            path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        except OSError as error:
            raise SourceError(f"{path} cannot be written: {error.strerror}") from error


def draw(
    snapshot: Snapshot, colors: Colors, image_type: type[Image] | type[CompressedImage]
) -> RgbImage:
    """The side-by-side of a frame: the input and its answers, as far as they are there."""
    rgb = message_to_rgb(deserialize_message(snapshot.image, image_type))
    maps = {
        topic: _map(deserialize_message(data, Image)) for topic, data in snapshot.outputs.items()
    }
    drawn = {
        topic.partition("/")[0]: paint(rgb, maps[topic], colors)
        for topic, paint in _PAINT.items()
        if topic in maps
    }
    return side_by_side(
        [Panel("input", rgb), *(Panel(task, picture) for task, picture in drawn.items())],
        f"frame {snapshot.index}    stamp {snapshot.stamp_ns * 1e-9:.3f} s",
        is_keyframe=snapshot.is_keyframe,
        legend=colors.legend if "segmentation" in drawn else (),
        depth_range_m=colors.depth_range_m if "depth" in drawn else None,
    )


def _map(message: Image) -> np.ndarray:
    dtype = np.float32 if message.encoding.startswith("32FC") else np.uint8
    pixels = np.frombuffer(message.data, dtype).reshape(message.height, message.width, -1)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _grey(rgb: RgbImage, level: np.ndarray, colors: Colors) -> RgbImage:
    return cv2.merge([level] * 3)


_PARTS_LUT = palette_lut(HUMAN_PARTS7.colors)
_PAINT: dict[str, Callable[[RgbImage, np.ndarray, Colors], RgbImage]] = {
    "segmentation/mask": lambda rgb, ids, colors: overlay_segmentation(rgb, ids, colors.lut),
    "depth/image": lambda _, metres, colors: colorize_depth(metres, *colors.depth_range_m),
    "motion/mask": lambda rgb, motion, _: overlay_motion(rgb, motion),
    "normals/image": lambda _, normals, __: rgb8_from_normals(normals),
    "edges/image": _grey,
    "saliency/mask": _grey,
    "human_parts/mask": lambda rgb, ids, _: overlay_segmentation(rgb, ids, _PARTS_LUT),
}
"""How a topic is drawn, in the order of the panels."""


def _hue(number: int) -> Color:
    # The golden ratio keeps neighbours apart.
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.75, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)
