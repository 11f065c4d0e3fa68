# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila convert``: a clip folder as a bag, to be replayed, or the way back, to train on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from mila_ros.arguments import seconds
from mila_ros.data.bags import is_bag
from mila_ros.data.clip_folder import ClipFolder
from mila_ros.errors import MilaError
from mila_ros.progress_bar import shown

_EXAMPLES = """\
A bag has /camera/image_raw and /camera/camera_info, and what the clip knows of its pixels:
/ground_truth/segmentation/mask, /ground_truth/depth/image and /ground_truth/motion/mask.
The way back takes any image topic, and the same truth, or for depth the points of /lidar/points.

examples:
  mila convert samples/street street_bag
  mila convert kitti_queue kitti_bag --points          depth also as a LiDAR's points
  mila convert drive drive_bag --compressed            JPEG files as they are
  mila convert drive_bag drive --topic /front/image_raw
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = "Write a clip folder as a rosbag2 bag (MCAP), or a bag as a clip folder."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("source", type=Path, help="clip folder or bag to read")
    parser.add_argument("target", type=Path, help="folder of the other kind; must not exist")
    clip = parser.add_argument_group("of a clip folder")
    clip.add_argument(
        "--compressed",
        action="store_true",
        help="images as they are, on /camera/image_raw/compressed",
    )
    clip.add_argument(
        "--points",
        action="store_true",
        help="depth also as a PointCloud2 on /lidar/points, with its place on /tf_static",
    )
    bag = parser.add_argument_group("of a bag")
    bag.add_argument("--topic", default="", help="of the images (the only one)")
    bag.add_argument(
        "--classes", default="", metavar="LIST",
        help="what the ids of its masks mean, as --bag-classes of `mila evaluate` (the bag's own)",
    )  # fmt: skip
    bag.add_argument(
        "--tolerance", type=seconds, default=0.0, metavar="S",
        help="seconds by which stamps of image and truth may differ (0)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Convert the clip or the bag; the exit status.

    Raises:
        MilaError: It is neither, an option is of the other way, or the target cannot be written.
    """
    source, target = arguments.source, arguments.target
    if target.exists():
        raise MilaError(f"{target} exists already; name another folder or remove it")
    forth = {"--compressed": arguments.compressed, "--points": arguments.points}
    back = {"--topic": arguments.topic, "--classes": arguments.classes}
    back["--tolerance"] = arguments.tolerance
    for option in [name for name, value in (forth if is_bag(source) else back).items() if value]:
        kind = "a bag" if is_bag(source) else "no bag"
        raise MilaError(f"{source} is {kind}, of which {option} says nothing")
    size, length, frames = (_to_clip if is_bag(source) else _to_bag)(arguments)
    written = sum(1 for _ in shown(frames, "frame", length))
    print(f"{target}: {written} frames of {size[0]}x{size[1]}")
    return 0


def _to_bag(arguments: argparse.Namespace) -> tuple[tuple[int, int], int, Iterator[int]]:
    from mila_ros.data.clip_to_bag import write_clip_bag

    clip = ClipFolder.open(arguments.source)
    frames = write_clip_bag(
        clip,
        arguments.target,
        is_compressed=arguments.compressed,
        has_points=arguments.points,
    )
    return (clip.width, clip.height), len(clip), frames


def _to_clip(arguments: argparse.Namespace) -> tuple[tuple[int, int], int, Iterator[int]]:
    from mila_ros.evaluation.bag_sources import open_bag_source
    from mila_ros.evaluation.bag_to_clip import write_bag_clip
    from mila_ros.evaluation.class_lists import TAXONOMIES

    if arguments.classes and arguments.classes not in TAXONOMIES:
        raise MilaError(f"--classes {arguments.classes} is none of {', '.join(TAXONOMIES)}")
    classes = TAXONOMIES[arguments.classes].classes if arguments.classes else ()
    bag = open_bag_source(
        arguments.source,
        (),
        classes=classes,
        topic=arguments.topic,
        tolerance_s=arguments.tolerance,
    )
    if bag.has_masks and not bag.classes:
        raise MilaError(
            f"the bag {arguments.source} does not say what the ids of its masks mean; name the "
            f"list with --classes: {', '.join(TAXONOMIES)}"
        )
    return bag.size, len(bag), write_bag_clip(bag, arguments.target)
