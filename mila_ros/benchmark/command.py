# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila benchmark``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mila_ros.arguments import count, network_size
from mila_ros.environment import machine, versions
from mila_ros.errors import MilaError
from mila_ros.progress_bar import progress, shown

if TYPE_CHECKING:
    from .sides import Side

EXAMPLES = """\
examples:
  mila benchmark --model mila_street --engine eager:fp32 openvino:bf16
  mila benchmark --model mila_street --keyframe-every 1 5 --tasks all depth --json result.json
  mila benchmark --network multi_task:encoder=resnet101 mila:slow=resnet101,fast=resnet18
"""
ALL = "all"
_WIDEST_NAME = 70


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Times models frame by frame: images in, maps out, as in the node. Several values of an "
        "option make several sides, which run in turn, round by round; speed is compared with "
        "the first. A network by name has random weights."
    )
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--model", nargs="+", default=[], metavar="BUNDLE", help="names or folders")
    add("--network", nargs="+", default=[], metavar="NAME[:KEY=VALUE,...]", help="with arguments")
    add("--engine", nargs="+", default=["auto"], metavar="NAME[:PRECISION]",
        help="default: auto")  # fmt: skip
    add("--precision", default="fp32", help="where none is given: auto, fp32, bf16, fp16")
    add("--size", nargs="+", type=network_size, default=[None], metavar="WxH",
        help="default: the model's")  # fmt: skip
    add("--keyframe-every", nargs="+", type=count, default=[None], metavar="K",
        help="default: the model's, 5 for a network")  # fmt: skip
    add("--tasks", nargs="+", type=_tasks, default=[None], metavar="TASK[,TASK...]",
        help="sets of tasks, or all; default: all")  # fmt: skip
    add("--cameras", nargs="+", type=count, default=[1], metavar="N", help="default: 1")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N; default: auto")
    add("--threads", type=count, default=0, help="default: PyTorch's")
    add("--rounds", type=count, default=10, help="turns of each side; default: 10")
    add("--frames", type=count, default=10, help="of a turn, at least; default: 10")
    add("--json", type=Path, metavar="FILE", help="write all figures; - prints them")
    add("--plot", type=Path, metavar="FILE", help="draw them, needs matplotlib")


def _tasks(text: str) -> tuple[str, ...] | None:
    return None if text == ALL else tuple(text.split(","))


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the exit status.

    Raises:
        MilaError: Something is not there, or a file cannot be written.
    """
    if not arguments.model and not arguments.network:
        raise MilaError("say what to time: --model mila_street, or --network mila")
    to_stdout = str(arguments.json) == "-"
    for path in (None if to_stdout else arguments.json, arguments.plot):
        if path is not None and not path.parent.is_dir():
            raise MilaError(f"{path} cannot be written: there is no folder {path.parent}; make it")
    if arguments.plot is not None:
        import matplotlib  # noqa: F401  (missing: said before anything is measured)
    # torch comes with it, which --help can do without.
    from mila_ros.networks.local_attention import local_attention_in_use

    rows, device = _measure(arguments)
    document = {
        "machine": machine(),
        "device": device,
        "threads": arguments.threads or _threads(),
        "rounds": arguments.rounds,
        # Of engines that run PyTorch; exported graphs hold the tile form.
        "local_attention": local_attention_in_use(device),
        "versions": versions(),
        "rows": rows,
    }
    names = _names(rows)
    text = json.dumps(document, indent=1) + "\n"
    try:
        if to_stdout:
            sys.stdout.write(text)
        elif arguments.json is not None:
            arguments.json.write_text(text, encoding="utf-8")
        if arguments.plot is not None:
            from .plot import draw

            draw(rows, names, arguments.plot)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MilaError(f"the result cannot be written: {reason}; name another file") from error
    if not to_stdout:
        print(_table(rows, names))
    return 0


def _measure(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    # torch comes with them, which --help can do without.
    import torch

    from mila_ros.streaming.devices import resolve_device

    from .measure import Runner, compare
    from .sides import combinations

    device = resolve_device(arguments.device)
    settings = {
        "size": [size and size[::-1] for size in arguments.size],
        "tasks": arguments.tasks,
        "keyframe_every": arguments.keyframe_every,
        "cameras": arguments.cameras,
        "engine": arguments.engine,
    }
    what = [(model, "") for model in arguments.model]
    what += [("", network) for network in arguments.network]
    sides = [
        _side(model, network, arguments.device, arguments.precision, values)
        for model, network in what
        for values in combinations(settings)
    ]
    for side in sides:
        side.description()  # what is misspelt is said before anything is compiled
    runners = [Runner(side, arguments.threads) for side in shown(sides, "model", len(sides))]
    with progress("round", arguments.rounds * len(runners)) as bar:
        rows = compare(runners, arguments.rounds, arguments.frames, bar.update)
    gpu = device.type == "cuda"
    return rows, torch.cuda.get_device_name(device) if gpu else device.type


def _side(model: str, network: str, device: str, precision: str, values: dict[str, Any]) -> Side:
    from .sides import Side

    engine, _, own = values.pop("engine").partition(":")
    return Side(model, network, engine, own or precision, device, **values)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What distinguishes the rows."""
    parts = [
        {
            "model": row["model"],
            "engine": row["engine"],
            "precision": row["precision"],
            "size": f"{row['width']}x{row['height']}",
            "keyframes": f"K={row['keyframe_every']}",
            "tasks": ",".join(row["tasks"]),
            "cameras": f"{row['cameras']} cameras",
        }
        for row in rows
    ]
    shown = [
        key
        for key in parts[0]
        if key in ("model", "engine") or len({part[key] for part in parts}) > 1
    ]
    return [" ".join(part[key] for key in shown) for part in parts]


def _table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """A line of figures for each side; names that would push them off a screen stand above."""
    legend = []
    if max(map(len, names)) > _WIDEST_NAME:
        legend = [f"side {number}: {name}" for number, name in enumerate(names, 1)]
        names = [f"side {number}" for number in range(1, len(names) + 1)]
    wide = max(len(name) for name in [*names, "side"])
    columns = ("frames/s", "speedup", "key p50", "p99", "between p50", "p99", "GMAC", "peak MiB")
    widths = [max(len(column), 8) for column in columns]
    lines = [*legend, _line("side", wide, columns, widths)]
    for row, name in zip(rows, names, strict=True):
        times = [
            f"{row['ms'][kind][statistic]:.1f}" if kind in row["ms"] else "-"
            for kind in ("key", "between")
            for statistic in ("p50", "p99")
        ]
        cells = [f"{row['frames_per_s']:.1f}", f"{row['speedup']:.2f}", *times]
        cells += [f"{row['gmac']['mean']:.1f}", f"{row['peak_mib']:.0f}"]
        lines.append(_line(name, wide, cells, widths))
    return "\n".join(lines)


def _line(name: str, wide: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"{name:<{wide}}  " + "  ".join(
        f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)
    )
