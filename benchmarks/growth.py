# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How frame rate and memory grow with cameras and with the size of the image.

``python benchmarks/growth.py --model mila_street --work WORK
--json benchmarks/results/growth.json``

Every measurement is a process of its own, so that its memory is its own: ``mila benchmark``, whose
JSON is kept in WORK, so that the script can be stopped and run again. ``per_camera`` and
``per_pixel`` are a frame's time over that of one camera, or of the first size times the pixels: 1
is linear growth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from report import write_report

CAMERAS = (1, 2, 4, 8)
SIZES = ("512x256", "1024x512", "1536x768", "2048x1024")


def measured(arguments: argparse.Namespace, cameras: int, size: str) -> dict[str, Any]:
    """The row of ``mila benchmark``, from WORK where it is there already."""
    result: Path = arguments.work / f"{size}-{cameras}.json"
    if not result.exists():
        part = result.with_suffix(".part")
        what = ["--network", arguments.network] if arguments.network else []
        what = what or ["--model", arguments.model]
        command = [
            *(sys.executable, "-m", "mila_ros.cli", "benchmark", *what),
            *("--engine", arguments.engine, "--size", size, "--cameras", str(cameras)),
            *("--rounds", str(arguments.rounds), "--frames", "5", "--json", str(part)),
        ]
        if arguments.threads:
            command += ["--threads", str(arguments.threads)]
        if subprocess.run(command, env=os.environ, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"{' '.join(command)} failed")
        part.replace(result)
    (row,) = json.loads(result.read_text(encoding="utf-8"))["rows"]
    return row


def main() -> None:
    """Run what is missing, then write all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--network", help="with random weights, instead of a model")
    parser.add_argument("--engine", default="auto:auto", metavar="NAME[:PRECISION]")
    parser.add_argument("--cameras", type=int, nargs="+", default=CAMERAS)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    runs = [(cameras, arguments.sizes[0]) for cameras in arguments.cameras]
    runs += [(arguments.cameras[0], size) for size in arguments.sizes[1:]]
    rows = []
    for cameras, size in runs:
        row = measured(arguments, cameras, size)
        kept = ("engine", "precision", "cameras", "width", "height", "frames_per_s", "ms")
        rows.append({key: row[key] for key in kept})
        rows[-1] |= {"peak_mib": row["peak_mib"], "resident_mib": row["resident_mib"]}
        first, pixels = rows[0], row["width"] * row["height"]
        slower = first["frames_per_s"] / row["frames_per_s"]
        if size == arguments.sizes[0]:
            rows[-1]["per_camera"] = round(slower, 3)
        if cameras == arguments.cameras[0]:
            larger = pixels / (first["width"] * first["height"])
            rows[-1]["per_pixel"] = round(slower / larger, 3)
        print(rows[-1], flush=True)
    figures = {
        "what": arguments.network or arguments.model,
        "rounds": arguments.rounds,
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
