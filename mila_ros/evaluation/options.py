# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of ``mila evaluate``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from mila_ros.arguments import count, frame_rate, positive, seconds, size, whole

_DESCRIPTION = """\
Measures a model on bags with ground-truth topics, on labelled clip folders, on the simulated
world, or as a paper does on its data set. Each frame is measured at each distance 0 to K-1 that it
can have to its keyframe. Classes are mapped by name between model and labels.
"""
_EXAMPLES = """\
The first frames of each video, one fewer than the largest K, only lead up to the others, so that
all rows are about the same frames. Clips of one frame a second or less are taken as stills.

examples:
  mila evaluate --simulated street --seeds 950000-950039 --cache clips --keyframe-every 1 5 10
  mila evaluate --model mila_street --clips my_clips --report report --json result.json
  mila evaluate --clips camvid --classes cityscapes7
  mila evaluate drive.mcap --offsets stream --jobs 4
  mila evaluate --protocol list
  mila evaluate --model my_model --protocol mila-cityscapes --data ~/data/cityscapes --jobs 4
"""
_CLASS_LISTS = ("cityscapes19", "cityscapes7", "camvid11", "nyu13", "nyu40")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("bags", nargs="*", type=Path, metavar="BAG", help="bags with ground truth, or folders")
    add("--model", default="mila_street", metavar="BUNDLE", help="folder or name (mila_street)")
    add("--clips", nargs="+", type=Path, default=[], metavar="DIR", help="clips, or their folders")
    add("--protocol", metavar="NAME", help="as a paper evaluates; list shows them all")
    add("--data", type=Path, metavar="ROOT", help="the protocol's data set, as it was unpacked")
    _configure_sources(parser)
    add(
        "--classes", nargs="+", choices=_CLASS_LISTS, default=[],
        help="report the segmentation in these coarser lists of classes too",
    )  # fmt: skip
    add(
        "--keyframe-every", nargs="+", type=count, metavar="K",
        help="keyframe intervals (the model's own)",
    )  # fmt: skip
    add(
        "--keyframe-lag", type=whole, default=0, metavar="N",
        help="the slow network runs beside the frames and is N frames late (0: it is waited for)",
    )  # fmt: skip
    add(
        "--offsets", choices=("all", "stream"), default="all",
        help="all: each frame at each age of the keyframe; stream: one pass (all)",
    )  # fmt: skip
    add("--max-depth", type=positive, default=50.0, metavar="M",
        help="leave out pixels that are truly farther, in metres (50)")  # fmt: skip
    add("--static-scene", action="store_true",
        help="nothing moves in what has no labels of motion")  # fmt: skip
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    add("--engine", default="eager", metavar="NAME", help="what runs the network, or auto (eager)")
    add("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="fp32", help="(fp32)")
    add("--jobs", type=count, default=1, help="processes, for several clips or bags (1)")
    add(
        "--threads", type=count, default=1,
        help="of each process; more are faster for a single clip, and round otherwise (1)",
    )  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write all figures; - prints them")
    add("--report", type=Path, metavar="DIR", help="write an HTML page with plots and pictures")


def _configure_sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("simulated world")
    group.add_argument("--simulated", choices=("street", "congestion", "rooms"))
    group.add_argument("--seeds", type=_seeds, metavar="A-B", help="both ends count; one clip each")
    group.add_argument("--frames", type=count, default=24, help="frames a clip (24)")
    group.add_argument("--fps", type=frame_rate, default=10.0, help="frames a second (10)")
    group.add_argument("--size", type=size, metavar="WxH", help="(the model's input)")
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
        "--tolerance", type=seconds, default=0.0, metavar="S",
        help="seconds by which stamps of image and truth may differ (0)",
    )  # fmt: skip


def _seeds(text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of seeds such as 950000-950039")
    return range(int(match[1]), int(match[2] or match[1]) + 1)
