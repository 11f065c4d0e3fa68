# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila flops``: the papers' tables of costs, recomputed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mila_ros.errors import MilaError

EXAMPLES = """\
examples:
  mila flops --table
  mila flops --json flops.json
"""

COUNTING = {
    "encoder_only_gmac": "billions of multiply-accumulates per frame in the papers' way: "
    "convolutions with bias, two per element of a batch norm; in MILA's tables without decoders, "
    "in those of networks that their papers count whole, the encoder",
    "everything_gmac": "the whole network, transposed convolutions at their true cost, and the "
    "weighted sums of propagation",
    "convolutions_gmac": "convolutions of the whole network alone, without biases",
    "parameters": "of the whole network",
    "paper": "what the paper prints: billions of multiply-accumulates, in the table multinet "
    "millions of parameters",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Counts the networks of the papers' tables, beside what the papers print. Nothing is "
        "computed: it takes seconds, on any machine."
    )
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report; - prints it")
    parser.add_argument("--table", action="store_true", help="print tables, as without --json")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the exit status.

    Raises:
        MilaError: The file cannot be written.
    """
    # torch comes with it, which --help can do without.
    from mila_ros.evaluation.flops_mila import cityscapes, nyuv2, propagation
    from mila_ros.evaluation.flops_others import astmt, mti_net, multinet

    path = None if arguments.json is None or str(arguments.json) == "-" else arguments.json
    if path is not None and not path.parent.is_dir():
        raise MilaError(f"{path} cannot be written: there is no folder {path.parent}; make it")
    functions = (cityscapes, nyuv2, propagation, multinet, mti_net, astmt)
    tables = {table.__name__: table() for table in functions}
    text = json.dumps({"counting": COUNTING, "tables": tables}, indent=1) + "\n"
    if path is not None:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MilaError(
                f"{path} cannot be written: {error.strerror}; name another file"
            ) from error
    elif arguments.json is not None:
        sys.stdout.write(text)
    if arguments.table or arguments.json is None:
        print("\n\n".join(_format(name, rows) for name, rows in tables.items()))
    return 0


def _format(name: str, rows: Mapping[str, Any]) -> str:
    header = f"{name:<40}{'paper':>9}{'encoder only':>14}{'everything':>12}{'M params':>10}"
    lines = [header]
    for row, cells in _flat(rows):
        paper = "-" if cells["paper"] is None else str(cells["paper"])
        lines.append(
            f"{row:<40}{paper:>9}{cells['encoder_only_gmac']:>14.2f}"
            f"{cells['everything_gmac']:>12.2f}{cells['parameters'] / 1e6:>10.2f}"
        )
    return "\n".join(lines)


def _flat(rows: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows by name; those that stand for several sizes, one by one."""
    for name, cells in rows.items():
        if "paper" in cells:
            yield name, cells
        else:
            yield from ((f"{name} {size}", part) for size, part in cells.items())
