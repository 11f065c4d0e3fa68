# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila``: finds the subcommand, and turns its errors into one line.

A subcommand is a module with ``configure(parser)`` and ``run(arguments) -> int``, imported when
it is asked for.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from mila_ros import __version__
from mila_ros.errors import MilaError
from mila_ros.memory import keep_freed_memory
from mila_ros.threads import let_waiting_threads_sleep


class Command(NamedTuple):
    """A subcommand: its name, its module, and a line of help."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("demo", "mila_ros.demo.command", "play a video through a model over ROS 2"),
    Command("models", "mila_ros.models", "list, show and verify model bundles"),
    Command("convert", "mila_ros.convert_command", "a clip folder as a bag, or a bag as a clip"),
    Command("datasets", "mila_ros.data.datasets.command", "list, check and convert data sets"),
    Command("evaluate", "mila_ros.evaluation.command", "measure a model against ground truth"),
    Command("benchmark", "mila_ros.benchmark.command", "time models, engines and settings"),
    Command("flops", "mila_ros.evaluation.flops_command", "recompute the papers' tables of costs"),
    Command("export", "mila_ros.export_command", "write a model as ONNX or for OpenVINO"),
    Command("train", "mila_ros.training.command", "train a network on labelled clips"),
    Command(
        "simulate", "mila_ros.simulation.command", "make labelled clips of a street or of rooms"
    ),
)

# What pip calls a module, where that is something else.
_PIP_NAMES = {"cv2": "opencv-python-headless", "yaml": "pyyaml"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: Without the program's name; None reads ``sys.argv``.

    Returns:
        The exit status: 0, 1 for what the user can mend, 130 after Ctrl-C. A wrong command line
        exits with 2, as argparse has it.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    let_waiting_threads_sleep()
    keep_freed_memory()
    try:
        arguments = _parser(argv).parse_args(argv)
        status = int(arguments.run(arguments))
        sys.stdout.flush()  # here, where a closed pipe is no error, and not as Python ends
        return status
    except MilaError as error:
        return _fail(argv, str(error))
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in ("", "mila_ros"):
            raise
        return _fail(
            argv, f"{name} is not installed; run: pip install {_PIP_NAMES.get(name, name)}"
        )
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has seen enough (`mila models list | head -1`); Python flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """A parser of all commands, complete for the one that the command line names."""
    parser = argparse.ArgumentParser(
        prog="mila",
        description="Segmentation, metric depth and motion masks from video, for ROS 2.",
        epilog="mila COMMAND --help explains a command, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"mila_ros {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help)
        if command.name == chosen:
            module = importlib.import_module(command.module)
            module.configure(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _fail(argv: Sequence[str], sentence: str) -> int:
    # It may quote a file, which is not to command the terminal.
    shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in sentence)
    print(f"mila {argv[0]}: {shown}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
