# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of ``mila evaluate``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

_DESCRIPTION = """\
Measures a model on bags with ground-truth topics, on labelled clip folders, or on the simulated
world. As in the paper, each frame is measured at each distance 0 to K-1 that it can have to its
keyframe. Classes are mapped by name between model and labels.
"""
_EXAMPLES = """\
The first frames of each video, one fewer than the largest K, only lead up to the others, so that
all rows are about the same frames. Clips of one frame a second or less are taken as stills.

examples:
  mila evaluate --simulated street --seeds 950000-950039 --cache clips --keyframe-every 1 5 10
  mila evaluate --model mila_street --clips my_clips --report report --json result.json
  mila evaluate --clips camvid --classes cityscapes7
  mila evaluate drive.mcap --offsets stream --jobs 4
"""
_CLASS_LISTS = ("cityscapes19", "cityscapes7", "camvid11", "nyu13")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("bags", nargs="*", type=Path, metavar="BAG", help="bags with ground truth, or folders")
    add("--model", default="mila_street", metavar="BUNDLE", help="folder or name (mila_street)")
    add("--clips", nargs="+", type=Path, default=[], metavar="DIR", help="clips, or their folders")
    _configure_sources(parser)
    add(
        "--classes", nargs="+", choices=_CLASS_LISTS, default=[],
        help="report the segmentation in these coarser lists of classes too",
    )  # fmt: skip
    add(
        "--keyframe-every", nargs="+", type=_count, metavar="K",
        help="keyframe intervals (the model's own)",
    )  # fmt: skip
    add(
        "--offsets", choices=("all", "stream"), default="all",
        help="all: each frame at each age of the keyframe; stream: one pass (all)",
    )  # fmt: skip
    add("--max-depth", type=_positive, default=50.0, metavar="M",
        help="leave out pixels that are truly farther, in metres (50)")  # fmt: skip
    add("--static-scene", action="store_true",
        help="nothing moves in what has no labels of motion")  # fmt: skip
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    add("--precision", choices=("auto", "fp32", "bf16"), default="fp32", help="(fp32)")
    add("--jobs", type=_count, default=1, help="processes, for several clips or bags (1)")
    add(
        "--threads", type=_count, default=1,
        help="of each process; more are faster for a single clip, and round otherwise (1)",
    )  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write all figures; - prints them")
    add("--report", type=Path, metavar="DIR", help="write an HTML page with plots and pictures")


def _configure_sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("simulated world")
    group.add_argument("--simulated", choices=("street", "rooms"))
    group.add_argument("--seeds", type=_seeds, metavar="A-B", help="both ends count; one clip each")
    group.add_argument("--frames", type=_count, default=24, help="frames a clip (24)")
    group.add_argument("--fps", type=_positive, default=10.0, help="frames a second (10)")
    group.add_argument("--size", type=_size, metavar="WxH", help="(the model's input)")
    group.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the rendered clips here and use them again"
    )
    group = parser.add_argument_group("bags")
    group.add_argument("--topic", default="", help="the images, where there are several topics")
    group.add_argument(
        "--bag-classes", choices=_CLASS_LISTS,
        help="what the ids of ground-truth masks mean (as the bag says, else the model's classes)",
    )  # fmt: skip
    group.add_argument(
        "--tolerance", type=float, default=0.0, metavar="S",
        help="seconds by which stamps of image and truth may differ (0)",
    )  # fmt: skip


def _count(text: str) -> int:
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number over 0")
    return value


def _seeds(text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of seeds such as 950000-950039")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(16 <= side <= 4096 for side in size):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size from 16x16 to 4096x4096")
    return size
