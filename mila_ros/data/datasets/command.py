# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila datasets``: which public data sets can be read, whether one is whole, and clips of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mila_ros.arguments import count, size, whole
from mila_ros.data.datasets.base import About, Dataset, DatasetError, Frame
from mila_ros.data.datasets.convert import convert
from mila_ros.data.datasets.registry import DATASETS, dataset_class, open_dataset
from mila_ros.progress_bar import shown

_EXAMPLES = """
Data sets are downloaded by you, under their own terms; ROOT is the folder in which their archives
were unpacked. `check` says what is there, what is missing and where to get it; its exit status is
1 when a split cannot be read. `convert` makes clip folders for `mila train` and `mila evaluate
--clips`; run again, it makes what is missing.

examples:
  mila datasets list
  mila datasets check cityscapes ~/data/cityscapes
  mila datasets convert cityscapes ~/data/cityscapes --split val --out clips --size 512x256
  mila datasets convert nyuv2 ~/data/nyuv2 --split train --classes nyu40 --out clips --jobs 4
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = "Public data sets: list them, check a download, convert it to clips."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what can be read, its licence, where to get it")
    listing.add_argument("--json", type=Path, metavar="FILE", help="write the list; - prints it")
    check = verbs.add_parser("check", help="what of a data set is there")
    check.add_argument("name", metavar="NAME", help=", ".join(DATASETS))
    check.add_argument("root", type=Path, metavar="ROOT")
    check.add_argument(
        "--frames", type=count, default=3, help="frames of each split to read as a trial (3)"
    )
    check.add_argument(
        "--json", type=Path, metavar="FILE", help="write the findings; - prints them"
    )
    conversion = verbs.add_parser("convert", help="make clip folders")
    conversion.add_argument("name", metavar="NAME", help=", ".join(DATASETS))
    conversion.add_argument("root", type=Path, metavar="ROOT")
    conversion.add_argument("--split", required=True)
    conversion.add_argument("--out", type=Path, required=True, help="folder for the clips")
    conversion.add_argument("--size", type=size, metavar="WxH", help="(the data set's own)")
    conversion.add_argument("--classes", help="list of classes, see `mila datasets list`")
    conversion.add_argument(
        "--before",
        type=whole,
        default=9,
        help="frames before each annotated one (9: enough for keyframe intervals up to 10)",
    )
    conversion.add_argument("--limit", type=count, help="at most so many clips")
    conversion.add_argument("--jobs", type=count, default=1, help="threads, at most one a core (1)")


def run(arguments: argparse.Namespace) -> int:
    """Do what the options say.

    Raises:
        DatasetError: The data set is unknown, missing or damaged.
    """
    if arguments.verb == "list":
        return _list(arguments.json)
    if arguments.verb == "check":
        return _check(arguments)
    return _convert(arguments)


def _list(path: Path | None) -> int:
    abouts = [kind.about for kind in DATASETS.values()]
    if path is not None:
        _write_json(path, [_described(about) for about in abouts])
    else:
        print("\n\n".join(_text(about) for about in abouts))
    return 0


def _described(about: About) -> dict[str, Any]:
    return {
        "name": about.name,
        "title": about.title,
        "splits": about.splits,
        "classes": [taxonomy.name for taxonomy in about.taxonomies],
        "units": dict(about.units),
        "license": about.license,
        "where": about.where,
        "archives": list(dict.fromkeys(part.archive for part in about.parts)),
        "layout": about.layout,
        "limits": about.limits,
    }


def _text(about: About) -> str:
    said = _described(about)
    lines = [f"{about.name}: {about.title}"]
    for key in ("splits", "classes", "license", "where", "archives"):
        value = said[key]
        if value:
            lines.append(f"  {key:8} {value if isinstance(value, str) else ', '.join(value)}")
    lines += [f"  {kind:8} {unit}" for kind, unit in about.units.items()]
    lines += [f"  {'tree' if n == 0 else '':8} {line}" for n, line in enumerate(about.layout)]
    lines += [f"  {'limits' if n == 0 else '':8} {line}" for n, line in enumerate(about.limits)]
    return "\n".join(lines)


def _check(arguments: argparse.Namespace) -> int:
    about = dataset_class(arguments.name).about
    findings: dict[str, Any] = {}
    for split in about.splits:
        try:
            findings[split] = _trial(open_dataset(about.name, arguments.root, split), arguments)
        except DatasetError as error:
            findings[split] = {"error": str(error)}
    if arguments.json is not None:
        _write_json(arguments.json, findings)
    if str(arguments.json) != "-":
        for split, found in findings.items():
            print(f"{about.name} {split}: {found.get('error') or _sentence(found)}")
            for sentence in found.get("missing", ()):
                print(f"  {sentence}")
    return 1 if any("error" in found for found in findings.values()) else 0


def _trial(dataset: Dataset, arguments: argparse.Namespace) -> dict[str, Any]:
    if not len(dataset):
        raise DatasetError("the split lists no frame")
    indices = np.linspace(0, len(dataset) - 1, min(arguments.frames, len(dataset))).astype(int)
    frames = [dataset.frame(int(index)) for index in indices]
    clip = dataset.clip(int(indices[-1]))
    known = [kind for kind in Frame.MAPS if any(kind in frame.maps() for frame in frames)]
    return {
        "annotated_frames": len(dataset),
        "size": f"{frames[0].image.shape[1]}x{frames[0].image.shape[0]}",
        "maps": known,
        "frames_before": len(clip) - 1,
        "intrinsics": clip.intrinsics is not None,
        "missing": [str(sentence) for sentence in dataset.absent()],
    }


def _sentence(found: dict[str, Any]) -> str:
    return (
        f"{found['annotated_frames']} annotated frames of {found['size']} with "
        f"{', '.join(found['maps']) or 'no map'}; {found['frames_before']} frames before the last "
        f"of them; K is {'known' if found['intrinsics'] else 'not known'}"
    )


def _convert(arguments: argparse.Namespace) -> int:
    dataset = open_dataset(arguments.name, arguments.root, arguments.split, arguments.classes)
    jobs = min(arguments.jobs, os.cpu_count() or 1)
    clips = convert(dataset, arguments.out, arguments.size, arguments.before, arguments.limit, jobs)
    count = sum(1 for _ in shown(clips, "clip"))
    for sentence in dataset.absent():
        print(f"note: {sentence}", file=sys.stderr)
    print(f"{arguments.out}: {count} clips of {arguments.name} {arguments.split}")
    print(f"licence: {dataset.about.license}")
    return 0


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=1) + "\n"
    if str(path) == "-":
        print(text, end="")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror}") from error
