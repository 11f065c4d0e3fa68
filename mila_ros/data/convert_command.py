# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila convert``: a clip folder as a bag, to be replayed and evaluated like a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.data.clip_to_bag import write_clip_bag
from mila_ros.errors import MilaError
from mila_ros.progress_bar import shown

_EXAMPLES = """\
The bag has /camera/image_raw and /camera/camera_info, and what the clip knows of its pixels:
/ground_truth/segmentation/mask, /ground_truth/depth/image and /ground_truth/motion/mask.

examples:
  mila convert samples/street street_bag
  mila convert kitti_queue kitti_bag --points          depth also as a LiDAR's points
  mila convert drive drive_bag --compressed            JPEG files as they are
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = "Write a clip folder as a rosbag2 bag (MCAP)."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("clip", type=Path, help="clip folder to read")
    parser.add_argument("bag", type=Path, help="folder of the bag; must not exist")
    parser.add_argument(
        "--compressed",
        action="store_true",
        help="images as they are, on /camera/image_raw/compressed",
    )
    parser.add_argument(
        "--points",
        action="store_true",
        help="depth also as a PointCloud2 on /lidar/points, with its place on /tf_static",
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert the clip; the exit status.

    Raises:
        MilaError: It is no clip folder, or the bag cannot be written.
    """
    if arguments.bag.exists():
        raise MilaError(f"{arguments.bag} exists already; name another folder or remove it")
    clip = ClipFolder.open(arguments.clip)
    frames = write_clip_bag(
        clip, arguments.bag, is_compressed=arguments.compressed, has_points=arguments.points
    )
    written = sum(1 for _ in shown(frames, "frame", len(clip)))
    print(f"{arguments.bag}: {written} frames of {clip.width}x{clip.height}")
    return 0
