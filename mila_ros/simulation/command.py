# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila simulate``: labelled clips of simulated streets or rooms."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from contextlib import closing
from pathlib import Path

from mila_ros.arguments import count, frame_rate, size, whole
from mila_ros.errors import MilaError
from mila_ros.processes import Terminated, terminated_like_interrupted
from mila_ros.progress_bar import shown
from mila_ros.simulation.dataset import check_seeds, write_clips
from mila_ros.simulation.recipe import EXTRAS, FORMATS, Recipe
from mila_ros.simulation.taxonomy import WORLDS, own_taxonomy

_EXAMPLES = """
A clip of each seed goes to a folder of its own, OUT/NNNNNN. Run again, the command makes what is
missing; the same seed always gives the same clip. Traffic flows in a street, as a rule; in a
congestion it is jammed, with lorries and buses close by and, at times, a bridge overhead. Seeds 0
to 899999 are for training, those to 949999 for validation, the others for tests.

examples:
  mila simulate --world street --seed 0 --clips 100 --frames 24 --fps 10 --out clips --jobs 4
  mila simulate --world rooms --seed 950000 --frames 50 --fps 15 --size 640x480 --out rooms
  mila simulate --world street --seed 7 --frames 100 --fps 10 --format bag --out bags
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = "Simulate labelled video."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--world", choices=sorted(WORLDS), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips")
    parser.add_argument("--seed", type=whole, default=0, help="seed of the first clip (0)")
    parser.add_argument("--clips", type=count, default=1, help="how many, a seed each (1)")
    parser.add_argument("--frames", type=count, default=24, help="frames a clip (24)")
    parser.add_argument("--fps", type=frame_rate, default=10.0, help="frames a second (10)")
    parser.add_argument("--size", type=size, default=(512, 256), metavar="WxH", help="(512x256)")
    parser.add_argument(
        "--format", choices=FORMATS, default="clip", help="clip folders, or rosbag2 bags (clip)"
    )
    parser.add_argument(
        "--classes", help="classes of the labels: cityscapes19, cityscapes7, camvid11; nyu13"
    )
    parser.add_argument(
        "--extras", nargs="+", choices=EXTRAS, default=[], help="more maps, for clip folders"
    )
    parser.add_argument(
        "--blur", type=count, default=1, help="pictures averaged for motion blur (1: none)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        choices=(0, 4),
        default=4,
        help="anti-aliasing (4); 0 is nearly twice as fast on a CPU",
    )
    parser.add_argument("--jobs", type=count, default=1, help="processes, at most one a core (1)")


def run(arguments: argparse.Namespace) -> int:
    """Simulate what the options say.

    Raises:
        MilaError: What they ask for cannot be had.
    """
    known = WORLDS[arguments.world]
    classes = arguments.classes or own_taxonomy(arguments.world).name
    if classes not in known:
        raise MilaError(
            f"the {arguments.world} world cannot be labelled with {classes}; "
            f"--classes can be {', '.join(known)}"
        )
    if arguments.format == "bag" and arguments.extras:
        raise MilaError("--extras are written to clip folders only; leave out --format bag")
    recipe = Recipe(
        world=arguments.world, frames=arguments.frames, fps=arguments.fps,
        width=arguments.size[0], height=arguments.size[1], classes=classes,
        format=arguments.format, extras=tuple(sorted(set(arguments.extras))), blur=arguments.blur,
        samples=arguments.samples,
    )  # fmt: skip
    seeds = range(arguments.seed, arguments.seed + arguments.clips)
    split = check_seeds(seeds)
    # Said here, once, and not by every process.
    importlib.import_module("mila_ros.simulation.engine")
    jobs = min(arguments.jobs, os.cpu_count() or 1)
    start = time.monotonic()
    made = 0
    try:
        with (
            terminated_like_interrupted(),
            closing(write_clips(recipe, seeds, arguments.out, jobs)) as clips,
        ):
            for _ in shown(clips, "clip", len(seeds)):
                made += 1
    except KeyboardInterrupt as stop:
        print(
            f"stopped after {made} clips; run the same command again for the rest", file=sys.stderr
        )
        return 143 if isinstance(stop, Terminated) else 130
    took = time.monotonic() - start
    kept = len(seeds) - made
    print(
        f"{arguments.out}: {made} clips of the {split} split made"
        + (f" in {took:.0f} s ({made * recipe.frames / took:.1f} frames/s)" if made else "")
        + (f", {kept} were there already" if kept else "")
    )
    return 0
