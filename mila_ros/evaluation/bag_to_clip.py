# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag with ground truth as a clip folder: what training reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.frames import SourceError
from mila_ros.data.unfinished import unfinished

from .bag_sources import BagTruthSource


def write_bag_clip(bag: BagTruthSource, path: Path) -> Iterator[int]:
    """Write a bag's images, with the truth of their stamps, as a clip folder, frame by frame.

    A clip has frames at one rate: that of the median interval of the stamps. It has the pinhole of
    the rectified image; images of a lens that distorts are to be rectified before.

    Args:
        bag: What :func:`.bag_sources.open_bag_source` found.
        path: The clip; must not exist. It appears there when it is complete.

    Yields:
        The number of each frame once it is written.

    Raises:
        SourceError: The bag is damaged, or the clip cannot be written.
        ClipError: Images of the bag differ in size.
    """
    camera = bag.calibration and bag.calibration.matrix(*bag.size)
    stamps = []
    try:
        with unfinished(path) as clip:
            with ClipWriter(
                clip,
                fps=None,
                intrinsics=camera,
                frame_id=bag.frame_id or "camera_optical",
                classes=bag.classes,
            ) as writer:
                for frame in bag.frames():
                    true = frame.truth
                    writer.add(
                        frame.image, depth=true.depth, label=true.segmentation, motion=true.motion
                    )
                    stamps.append(frame.stamp_ns)
                    yield frame.index
                intervals = np.diff(stamps)[np.diff(stamps) > 0]
                writer.fps = round(1e9 / float(np.median(intervals)), 3) if len(intervals) else None
            clip.rename(path)
    except OSError as error:
        raise SourceError(
            f"the clip {path} cannot be written: {error.strerror or error}"
        ) from error
