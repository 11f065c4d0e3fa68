# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila models``: which bundles there are, what they are, whether they are whole."""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

from mila_ros.errors import MilaError
from mila_ros.paths import find_model, list_models

EXAMPLES = """\
examples:
  mila models list
  mila models show mila_street
  mila models verify ./my_model
"""

_FIRST_FIGURES = {
    "segmentation/miou": "mIoU",
    "segmentation/cityscapes7/miou": "mIoU of 7",
    "depth/rel_error": "depth rel. error",
    "motion/iou": "motion IoU",
    "motion/false_share": "falsely moving",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "Lists the installed model bundles, shows one, or verifies it in full."
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    helps = {
        "list": "the installed models",
        "show": "tasks, classes, input and accuracy of a model",
        "verify": "check description, weights, shapes and hash of a model",
    }
    for action, text in helps.items():
        subparser = actions.add_parser(
            action,
            help=text,
            description=text.capitalize() + ".",
            epilog=f"example: mila models {action}" + ("" if action == "list" else " mila_street"),
        )
        if action != "list":
            subparser.add_argument("model", help="name of an installed model, or a folder")
        subparser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the exit status.

    Raises:
        MilaError: There is no such model, or it does not verify.
    """
    # torch comes with it, which --help can do without.
    from mila_ros.streaming import read_bundle, verify_bundle

    if arguments.action == "list":
        return _list(arguments.json)
    directory = find_model(arguments.model)
    if arguments.action == "show":
        document = dict(read_bundle(directory).document)
        print(json.dumps(document, indent=1) if arguments.json else _describe(directory, document))
        return 0
    bundle = verify_bundle(directory)
    if arguments.json:
        result = {"name": bundle.name, "path": str(directory), "sha256": bundle.weights_sha256}
        print(json.dumps({**result, "is_valid": True}, indent=1))
    else:
        print(f"{directory} is whole: {bundle.name}, weights sha256 {bundle.weights_sha256}")
    return 0


def _list(as_json: bool) -> int:
    from mila_ros.streaming import read_bundle

    rows: list[dict[str, Any]] = []
    for directory in list_models():
        row: dict[str, Any] = {"name": directory.name, "path": str(directory)}
        try:
            bundle = read_bundle(directory)
            height, width = bundle.input_size
            row |= {"tasks": list(bundle.task_names), "input": f"{width}x{height}"}
        except MilaError as error:
            row["problem"] = str(error)
        rows.append(row)
    if as_json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        facts = row.get("problem") or f"{', '.join(row['tasks'])}  {row['input']}"
        print(f"{row['name']:<20} {facts}")
    if not rows:
        print("no models are installed")
    return 0


def _describe(directory: Path, document: dict[str, Any]) -> str:
    network, inputs = document["network"], document["input"]
    lines = [
        f"{document['name']}  ({directory})",
        f"network    {network['name']} {_items(network['arguments'])}",
        f"input      {inputs['width']}x{inputs['height']}",
        "tasks      " + ", ".join(f"{t['name']} ({t['channels']})" for t in document["tasks"]),
    ]
    if "labels" in document:
        names = (f"{label['id']} {label['name']}" for label in document["labels"])
        lines.append("classes    " + ", ".join(names))
    if "depth" in document:
        depth = document["depth"]
        kind = "metric" if depth["metric"] else "up to a factor"
        lines.append(f"depth      {kind}, {depth['min_m']:g} to {depth['max_m']:g} m")
    lines.append(f"keyframes  every {document['keyframes']['every']} frames")
    lines += _measured(document["accuracy"])
    plain = {k: v for k, v in document["training"].items() if not isinstance(v, dict)}
    if plain:
        lines.append(f"training   {_items(plain)}")
    # What is free in form is not to command the terminal.
    clean = ["".join(c if c.isprintable() else "?" for c in line) for line in lines]
    title, *rest = clean
    rest = [
        textwrap.fill(line, 100, subsequent_indent=" " * 11, break_long_words=False)
        for line in rest
    ]
    return "\n".join([title, *rest, "Everything that was measured, by age and class too: --json"])


def _measured(accuracy: dict[str, Any]) -> list[str]:
    """What was measured, and of each measurement the figures that one looks for first."""
    plain = {key: value for key, value in accuracy.items() if not isinstance(value, dict)}
    lines = [f"accuracy   {_items(plain)}"] if accuracy else []
    for name, figures in accuracy.items():
        if isinstance(figures, dict):
            found = [
                f"{said} {figures[key]:.3f}"
                for key, said in _FIRST_FIGURES.items()
                if isinstance(figures.get(key), float)
            ]
            if found:
                lines.append(f"{'':<11}{name}: {', '.join(found)}")
    return lines


def _items(mapping: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in mapping.items())
