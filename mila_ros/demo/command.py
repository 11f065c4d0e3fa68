# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila demo``: plays a source through a model and shows what comes out."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from mila_ros.arguments import positive
from mila_ros.data.frame_sources import open_source
from mila_ros.demo.play import Demo
from mila_ros.demo.processes import end_all
from mila_ros.demo.results import conclude, prepare
from mila_ros.errors import MilaError
from mila_ros.nodes import check_ros
from mila_ros.paths import find_model, share_directory
from mila_ros.processes import terminated_like_interrupted

EXAMPLES = """\
examples:
  mila demo                                    the bundled street
  mila demo --input drive.mp4 --device cuda    a video on the GPU
  mila demo --input drive_bag --topic /front/image_raw
  mila demo --input 0 --seconds 30             half a minute of the webcam
"""
SAMPLE = "samples/street"
DEFAULT_MODEL = "mila_street"
INTERRUPT_TIMEOUT_S = 2.8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Starts a camera, a perception node and a recorder, each in its own process, plays a "
        "source through them over DDS, and leaves pictures, a bag and a summary."
    )
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--input",
        metavar="SOURCE",
        help="folder of images, clip folder, video, bag or webcam (0); default: a bundled street",
    )
    parser.add_argument("--topic", default="", help="image topic of a bag with several")
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="name or folder of a model (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)"
    )
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default="auto",
        help="what runs the network (default: %(default)s, OpenVINO on a CPU that has it)",
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=0.0,
        metavar="HZ",
        help="frames a second (default: the source's own)",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="S",
        help="play for so long, a shorter source again and again (default: once to its end)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/demo"),
        metavar="FOLDER",
        help="for the results; those of an earlier demo are replaced (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit status.

    Raises:
        MilaError: What was asked for cannot be, or a node failed.
    """
    check_ros()
    spec = arguments.input or str(share_directory() / SAMPLE)
    source = open_source(spec, topic=arguments.topic, rate_hz=arguments.rate)
    if source.is_live and arguments.seconds is None:
        print("the webcam plays until Ctrl-C, or for --seconds S", file=sys.stderr)
    model = find_model(arguments.model).resolve()
    if Path(spec).expanduser().resolve().is_relative_to(arguments.out.resolve()):
        raise MilaError(f"{spec} lies in {arguments.out}, which is replaced; choose another --out")
    prepare(arguments.out)
    demo = Demo(arguments, spec, source, model)
    is_interrupted = False
    with terminated_like_interrupted():
        try:
            demo.play()
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            # A second Ctrl-C must not leave children behind; they are gone in seconds anyway.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            end_all(demo.children, INTERRUPT_TIMEOUT_S)
            demo.line.end()
    if is_interrupted:
        print("interrupted")
    return conclude(arguments.out, spec, model, is_complete=not is_interrupted)
