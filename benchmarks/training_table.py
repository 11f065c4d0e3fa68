# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train variants of one configuration the same way, measure them the same way, make a table.

``python benchmarks/training_table.py config/experiments/ablation.yaml --clips TRAIN --test TEST
--work WORK --json benchmarks/results/ablation.json``

An experiment is a YAML file: ``base`` (a training configuration, beside it), ``set`` (what
differs in all variants), ``variants`` (name: what differs), ``seeds``, ``evaluate`` (options of
``mila evaluate``), ``columns`` (title: path in its JSON). ``more_seeds`` are of some variants
only (seed: their names). ``shared`` names how many first stages all variants of a seed have in
common: they are trained once. ``encoders_of`` names a bundle of MILA, whose encoders then go by
the names ``slow`` and ``fast`` in any ``start``. ``delta_m`` adds the mean relative gain over the
variant ``against`` in the columns ``higher`` and ``lower``. A network that has only keyframes has
one figure for every interval. Every training and every result is kept in WORK, so that the script
can be stopped and run again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import yaml
from report import write_report

from mila_ros.evaluation.delta_m import delta_m
from mila_ros.streaming.bundle import load_bundle

ENCODERS = ("slow", "fast")


class Experiment:
    """One table: its variants, each with every seed.

    Args:
        path: The YAML file.
        arguments: Of the command line.
    """

    def __init__(self, path: Path, arguments: argparse.Namespace) -> None:
        self.spec: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.base = yaml.safe_load((path.parent / self.spec["base"]).read_text(encoding="utf-8"))
        self.arguments = arguments
        self.work: Path = arguments.work / path.stem

    def runs(self) -> list[tuple[str, int]]:
        """Variant and seed of every training of the table."""
        return [(name, seed) for seed in self.seeds() for name in self.variants(seed)]

    def seeds(self) -> list[int]:
        """Of all variants, then those that only some have."""
        return [*self.spec["seeds"], *self.spec.get("more_seeds", {})]

    def variants(self, seed: int) -> list[str]:
        """The variants that are trained with a seed."""
        return list(self.spec.get("more_seeds", {}).get(seed, self.spec["variants"]))

    def write_encoders(self) -> None:
        """Write the encoders that trainings start from, as torchvision would."""
        if name := self.spec.get("encoders_of"):
            self.work.mkdir(parents=True, exist_ok=True)
            _, network = load_bundle(name)
            for part in ENCODERS:
                torch.save(getattr(network, part).state_dict(), self._encoder(part))

    def prepare(self, seed: int) -> None:
        """Train the stages that all variants of a seed begin with."""
        count = self.spec.get("shared", 0)
        if count:
            config = self._config({}, seed)
            config["stages"] = config["stages"][:count]
            self._train(f"shared-{seed}", config, None)

    def run(self, variant: str, seed: int) -> dict[str, Any]:
        """Train and measure one variant."""
        changes = dict(self.spec["variants"][variant] or {})
        own = changes.pop("alone", False)  # has nothing in common with the others
        config, start = self._config(changes, seed), None
        count = 0 if own else self.spec.get("shared", 0)
        if count:
            config["stages"] = config["stages"][count:]
            start = self.work / f"shared-{seed}" / config["name"]
        name = f"{re.sub(r'[^A-Za-z0-9]+', '-', variant).strip('-')}-{seed}"
        bundle = self._train(name, config, start)
        result = self.work / name / "result.json"
        if not result.exists():
            part = result.with_suffix(".part")
            self._mila("evaluate", "--model", str(bundle), "--clips", str(self.arguments.test),
                       "--json", str(part), *map(str, self.spec["evaluate"]))  # fmt: skip
            part.replace(result)
        measured = json.loads(result.read_text(encoding="utf-8"))
        return {column: _at(measured, path) for column, path in self.spec["columns"].items()}

    def _config(self, changes: dict[str, Any], seed: int) -> dict[str, Any]:
        config = json.loads(json.dumps(self.base))
        for key, value in ((self.spec.get("set") or {}) | changes).items():
            *parents, last = key.split(".")
            place = config
            for parent in parents:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            place[int(last) if isinstance(place, list) else last] = value
        start = config.get("start", {})
        start = {part: str(self._encoder(w)) if w in ENCODERS else w for part, w in start.items()}
        return config | {"seed": seed, "start": start}

    def _encoder(self, part: str) -> Path:
        return self.work.resolve() / f"{part}.pth"

    def _train(self, name: str, config: dict[str, Any], start: Path | None) -> Path:
        out = self.work / name
        bundle = out / config["name"]
        if not (bundle / "model.json").exists():
            out.mkdir(parents=True, exist_ok=True)
            path = out / "config.yaml"
            path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
            options = ["--start", str(start)] if start else []
            self._mila("train", "--config", str(path), "--out", str(out), "--threads",
                       str(self.arguments.threads), "--workers", "1", *options,
                       "--clips", *map(str, self.arguments.clips))  # fmt: skip
        return bundle

    def _mila(self, *words: str) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(self.arguments.threads)}
        command = [sys.executable, "-m", "mila_ros.cli", *words]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise SystemExit(done.stderr.strip() or f"{' '.join(words)} failed")


def _at(document: Any, path: str) -> float | None:
    for key in path.split(" "):
        if key.startswith("keyframe_every") and key not in document:
            key = "keyframe_every_1"  # of a network that has only keyframes
        document = document[key]
    return None if document is None else float(document)


def main() -> None:
    """Run what is missing of a table, then print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="to train on")
    parser.add_argument("--test", type=Path, required=True, help="clips to measure on")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="of each training (1)")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (1)")
    arguments = parser.parse_args()
    experiment = Experiment(arguments.experiment, arguments)
    begin, results = time.monotonic(), {}
    experiment.write_encoders()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(experiment.prepare, experiment.seeds()))
        runs = experiment.runs()
        for run, result in zip(runs, pool.map(lambda r: experiment.run(*r), runs), strict=True):
            results[run] = result
            print(f"{run[0]}, seed {run[1]}: {result}", flush=True)
    rows = {
        variant: {
            column: [result[column] for run, result in results.items() if run[0] == variant]
            for column in experiment.spec["columns"]
        }
        for variant in experiment.spec["variants"]
    }
    if (spec := experiment.spec.get("delta_m")) is not None:
        add_delta_m(rows, **spec)
    print(table(rows))
    figures = {
        "title": experiment.spec["title"],
        "experiment": arguments.experiment.name,
        "seeds": {variant: [seed for name, seed in runs if name == variant] for variant in rows},
        "spec": experiment.spec,
        "minutes_of_this_run": round((time.monotonic() - begin) / 60, 1),
        "rows": rows,
    }
    write_report(arguments.json, figures)


def add_delta_m(
    rows: dict[str, dict[str, list[float | None]]],
    against: str,
    higher: Sequence[str],
    lower: Sequence[str],
) -> None:
    """Add a column Δm, in percent, to all rows: each seed against the mean of one variant.

    Args:
        rows: Variant, column, value of each seed.
        against: The variant of Δm 0.
        higher: Columns that are better when higher.
        lower: Columns that are better when lower.
    """
    columns = (*higher, *lower)
    base = {column: statistics.fmean(rows[against][column]) for column in columns}
    for values in rows.values():
        values["Δm %"] = [
            delta_m(dict(zip(columns, figures, strict=True)), base, lower)
            for figures in zip(*(values[column] for column in columns), strict=True)
        ]


def table(rows: dict[str, dict[str, list[float | None]]]) -> str:
    """Markdown: means over the seeds, and half their range where there are several."""
    columns = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, values in rows.items():
        lines.append(f"| {name} | " + " | ".join(_cell(values[c]) for c in columns) + " |")
    return "\n".join(lines)


def _cell(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{statistics.fmean(known):.4f}"
    return mean if len(known) == 1 else f"{mean} ±{(max(known) - min(known)) / 2:.4f}"


if __name__ == "__main__":
    main()
