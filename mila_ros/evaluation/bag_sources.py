# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags to evaluate on: a camera, and topics that say what is true about its frames.

The truth is said as the perception node says its answers: ``segmentation/mask``, ``depth/image``
and ``motion/mask`` under ``/ground_truth``. Depth may also come as the points of a LiDAR.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mila_ros.data.bag_messages import DEPTH, LABEL_INFO, MASK, MOTION, POINTS, TF_STATIC
from mila_ros.data.bag_source import BagSource
from mila_ros.data.bags import is_bag, open_bag
from mila_ros.data.datasets.labels import VOID
from mila_ros.data.frames import Calibration, SourceError
from mila_ros.data.read_ahead import ReadAhead
from mila_ros.data.transforms import StaticTransforms
from mila_ros.errors import MilaError
from mila_ros.simulation.dataset import RECIPE_FILE

from .bag_truth import Matcher, TruthReader, messages
from .class_lists import TAXONOMIES
from .sources import LabelledFrame

_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


@dataclass(frozen=True)
class BagTruthSource:
    """A bag with ground-truth topics; see `open_bag_source`.

    Attributes:
        path: The bag.
        topic: Of the images.
        classes: Of the masks by id; empty without masks.
        classes_given: Whether they are not the default.
        calibration: Of the camera, None where the bag has none.
        frame_id: The camera's optical frame.
        truth_topics: Those of them that the bag has.
        tolerance_ns: Most by which stamps of a frame and its truth may differ.
        images: How many there are.
        size: Width and height of the first.
    """

    path: Path
    topic: str
    classes: tuple[str, ...]
    classes_given: bool
    calibration: Calibration | None
    frame_id: str
    truth_topics: tuple[str, ...]
    tolerance_ns: int
    images: int
    size: tuple[int, int]

    stills = False

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def has_masks(self) -> bool:
        """Whether it has truth of segmentation."""
        return MASK in self.truth_topics

    @property
    def focal_px(self) -> float | None:
        if self.calibration is None:
            return None
        matrix = self.calibration.matrix(*self.size)
        return None if matrix is None else float(matrix[0, 0])

    def __len__(self) -> int:
        return self.images

    def frames(self) -> Iterator[LabelledFrame]:
        """All images in order, each with the truth of its stamp, read a few ahead.

        Raises:
            SourceError: The bag is damaged, or a message is not what its topic is for.
        """
        ahead = ReadAhead(self._frames(), lambda frame: frame, depth=3)
        try:
            yield from ahead
        finally:
            ahead.close()

    def _frames(self) -> Iterator[LabelledFrame]:
        with open_bag(self.path) as reader:
            transforms = StaticTransforms()
            if POINTS in self.truth_topics and TF_STATIC in reader.topics:
                for _, message in messages(reader, [TF_STATIC]):
                    transforms.add(message.transforms)
            matcher = Matcher(
                messages(reader, self.truth_topics), self.truth_topics, self.tolerance_ns
            )
            truths = TruthReader(
                self.path, self.classes, self.calibration, self.frame_id, transforms
            )
            for frame in BagSource(self.path, self.topic, None):
                image = frame.rgb()
                truth = truths.truth(matcher.of(frame.stamp_ns), image.shape[:2])
                yield LabelledFrame(frame.index, frame.stamp_ns, image, truth)


def open_bag_source(
    path: Path,
    default_classes: Sequence[str],
    *,
    classes: Sequence[str] = (),
    topic: str = "",
    tolerance_s: float = 0.0,
) -> BagTruthSource:
    """See what there is in a bag.

    The names of the masks' ids are those given, else those of a ``vision_msgs/LabelInfo`` beside
    the masks, or of ``mila simulate``'s own record in the bag's folder, else the default.

    Args:
        path: A bag of any kind.
        default_classes: Names where nothing else says them.
        classes: Names that hold whatever the bag says.
        topic: Of the images; empty takes the only one that is not ground truth.
        tolerance_s: Most by which stamps of a frame and its truth may differ.

    Raises:
        SourceError: Not a bag, no truth in it, or no or more than one topic to choose.
    """
    with open_bag(path) as reader:
        counts = {name: info.msgcount for name, info in reader.topics.items() if info.msgcount}
        here = [name for name in (MASK, DEPTH, MOTION) if name in counts]
        if DEPTH not in here and POINTS in counts:
            here.append(POINTS)
        if not here:
            raise SourceError(
                f"the bag {path} has no ground truth: none of the topics {MASK}, {DEPTH}, "
                f"{MOTION}, {POINTS}"
            )
        cameras = [
            name
            for name in counts
            if reader.topics[name].msgtype in _IMAGES and name not in (MASK, DEPTH, MOTION)
        ]
        if not topic and len(cameras) != 1:
            raise SourceError(
                f"the bag {path} has {len(cameras)} image topics beside the ground truth; "
                f"name one with --topic: {', '.join(sorted(cameras)) or 'there is none'}"
            )
        named = tuple(classes) or (_classes(path, reader) if MASK in here else ())
    camera = BagSource(path, topic or cameras[0], None)
    classes = named or tuple(default_classes)
    return BagTruthSource(
        path=path,
        topic=camera.topic,
        classes=classes if MASK in here else (),
        classes_given=bool(named),
        calibration=camera.calibration,
        frame_id=camera.frame_id,
        truth_topics=tuple(here),
        tolerance_ns=round(tolerance_s * 1e9),
        images=counts[camera.topic],
        size=next(iter(camera)).size(),
    )


def find_bags(paths: Sequence[Path]) -> list[Path]:
    """Bags: the paths that are one, and those in the others, in order of name.

    Raises:
        MilaError: A path is neither.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise MilaError(f"there is no bag {path}")
        here = [path] if is_bag(path) else []
        if path.is_dir() and not here:
            here = sorted(filter(is_bag, path.iterdir()))
        if not here:
            raise MilaError(f"{path} is no bag and has none in it; clip folders go after --clips")
        found += here
    return found


def _classes(path: Path, reader: Any) -> tuple[str, ...]:
    """The names that the bag gives to the ids of its masks; empty where it gives none."""
    if LABEL_INFO in reader.topics:
        info = next((message for _, message in messages(reader, [LABEL_INFO])), None)
        pairs = [] if info is None else [(c.class_id, c.class_name) for c in info.class_map]
        names = {int(number): str(name) for number, name in pairs if 0 <= number < VOID}
        count = max(names, default=-1) + 1
        return tuple(names.get(number, f"class {number}") for number in range(count))
    try:
        taxonomy = json.loads((path / RECIPE_FILE).read_text())["classes"]
        return TAXONOMIES[taxonomy].classes
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
