# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila train``: labelled clips in, a model bundle out."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..arguments import whole
from ..errors import MilaError
from ..streaming.bundle import load_bundle
from ..streaming.devices import resolve_device
from .bundles import defaults, described, write_bundle
from .clips import Clips, find_clips, origin
from .config_file import load_config
from .distributed import Processes
from .labels import resolve_classes
from .log import Log
from .take_over import Start
from .trainer import LAST, Trainer
from .validation import Validation

_EXAMPLES = """
OUT gets last.pt (to go on from), best.pt (best by validation), log.jsonl, and at the end the
bundle OUT/NAME. Run again, the command goes on where it was, whatever stopped it.

examples:
  mila simulate --world street --clips 1000 --out clips/train --jobs 8
  mila simulate --world street --seed 900000 --clips 20 --out clips/validation
  mila train --config config/training/mila_street.yaml --clips clips/train \\
      --validation clips/validation --out work/street
  mila train --config ... --clips ... --out ... --set stages.1.steps=2000 --set seed=1
  mila train --config config/training/fine_tune.yaml --start mila_street --clips mine \\
      --out work/mine
  torchrun --nproc-per-node 4 -m -- mila_ros.cli train --config ... --clips ... --out ...
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = "Train a network on labelled clips."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        help="what to train: a YAML file, or the name of one that comes along, such as mila_street",
    )
    parser.add_argument(
        "--clips", type=Path, nargs="+", required=True, help="clip folders, or folders of them"
    )
    parser.add_argument("--validation", type=Path, nargs="+", default=[], help="the same, held out")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and bundle")
    parser.add_argument(
        "--start", help="bundle to go on from: an installed one's name, or a folder"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change a value of the configuration; dots between keys",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (auto)")
    parser.add_argument("--threads", type=whole, default=0, help="of torch on a CPU (0: its own)")
    parser.add_argument("--workers", type=whole, default=2, help="threads that read clips (2)")
    parser.add_argument("--minutes", type=float, help="stop, ready to go on, after so long")
    parser.add_argument(
        "--tensorboard", action="store_true", help="scalars and pictures under OUT/tensorboard"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train what the options say.

    Raises:
        MilaError: Something in them does not fit, or training cannot go on.
    """
    started = load_bundle(arguments.start) if arguments.start else None
    config = load_config(
        arguments.config, arguments.overrides, defaults(started[0]) if started else None
    )
    for number in range(len(config.stages)):
        described(config, number)  # hours later is too late to hear that no bundle can be made
    classes = resolve_classes(config.classes)
    device = Processes.local_device(resolve_device(arguments.device))
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    first = Processes.will_be_first()  # the others neither validate nor write
    folders = find_clips(arguments.clips)
    held_out = find_clips(arguments.validation) if first else []
    trained_on = {origin(folder): folder for folder in folders}
    for folder in held_out:
        if same := trained_on.get(origin(folder)):
            raise MilaError(
                f"{folder} is both trained on and held out{_as(same, folder)}; take it from one"
            )
    clips = Clips(folders, classes, list(config.learned))
    validation = Validation(config, held_out, device) if held_out else None
    try:
        if first:
            arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MilaError(f"{arguments.out} cannot be made: {error.strerror}") from error
    processes = Processes.join(device)
    log = Log(None if processes.rank else arguments.out, arguments.tensorboard)
    trainer = Trainer(
        config,
        clips,
        arguments.out,
        device,
        processes,
        validation,
        log,
        arguments.workers,
        Start.of(*started) if started else None,
    )
    try:
        with _stop(arguments.minutes, processes.count > 1) as stop:
            finished = trainer.run(stop)
    finally:
        log.close()
    if processes.rank == 0 and not finished:
        print(f"stopped; run the same command again to go on from {arguments.out / LAST}")
    elif processes.rank == 0:
        provenance = {"clips": [str(p) for p in arguments.clips], "samples_seed": config.seed}
        bundle = arguments.out / config.name
        write_bundle(trainer.best_checkpoint(), bundle, provenance, {})
        print(f"bundle: {bundle}")
    processes.leave()
    return 0


@contextmanager
def _stop(minutes: float | None, several: bool) -> Iterator[_Stop]:
    """Signals ask for a stop while this lasts."""
    stop = _Stop(None if minutes is None else time.monotonic() + 60 * minutes, several)
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop.on_signal) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


class _Stop:
    """Says when to stop: at a time, or after a signal, once the step is done.

    Args:
        at: Of the monotonic clock; None for never.
        several: Whether this is one of several processes, to which ``torchrun`` passes on what
            the terminal sends them too: then a second signal is no second wish.
    """

    def __init__(self, at: float | None, several: bool) -> None:
        self._at, self._several = at, several
        self._signalled = False

    def on_signal(self, number: int, frame: Any) -> None:
        """Remember it; the second time, stop at once."""
        if self._signalled and not self._several:
            raise KeyboardInterrupt
        self._signalled = True
        print("stopping after this step; once more to stop at once", file=sys.stderr, flush=True)

    def __call__(self) -> bool:
        return self._signalled or (self._at is not None and time.monotonic() >= self._at)


def _as(same: Path, folder: Path) -> str:
    return "" if same.resolve() == folder.resolve() else f" (it is the clip of {same})"
