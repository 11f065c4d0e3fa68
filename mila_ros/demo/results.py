# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo shows while it runs, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from mila_ros import environment
from mila_ros.errors import MilaError

MADE_HERE = ("bag", "log", "summary.json", f"frame_{'[0-9]' * 6}.png")
# What a user calls bag or frame_000001.png is not ours to remove. Older demos left logs alone.
_MARKS = (Path("log", ".mila_demo"), Path("log", "perception.log"))


def prepare(out: Path) -> None:
    """Make the folder, without the results of an earlier demo.

    Raises:
        MilaError: It holds anything else, or cannot be made.
    """
    old = {path for pattern in MADE_HERE for path in out.glob(pattern)}
    try:
        here = set(out.iterdir()) if out.exists() else set()
        is_demo = any((out / mark).is_file() for mark in _MARKS)
        others = sorted(here - old if is_demo else here)
        if others:
            raise MilaError(
                f"{out} holds {others[0].name}, which no demo made; "
                "choose another folder with --out"
            )
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (out / "log").mkdir(parents=True, exist_ok=True)
        (out / _MARKS[0]).touch()
    except OSError as error:
        raise MilaError(f"{out} cannot be prepared: {error}") from error


class StatusLine:
    """One line that is written over on a terminal, and a line each time elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Show the text in place of the last."""
        if self._is_terminal:
            print(f"\r{text:<{self._width}}", end="", flush=True)
            self._width = len(text)
        else:
            print(text, flush=True)

    def end(self) -> None:
        """Leave the line as it is."""
        if self._is_terminal and self._width:
            print()
        self._width = 0


def status_text(report: dict[str, Any]) -> str:
    """A report of the recorder in one line."""
    if not report["frames_in"]:
        return "waiting for the first image"
    latency = report["latency_ms"]
    shown = f"{latency['p50']:.0f} ms (p95 {latency['p95']:.0f})" if latency else "n/a"
    return (
        f"in {report['rate_in_hz']:5.1f} Hz  out {report['rate_out_hz']:5.1f} Hz  "
        f"latency {shown}  frames {report['frames_out']}/{report['frames_in']}  "
        f"keyframes {report['keyframes']}  dropped {report['dropped']}"
    )


def conclude(out: Path, spec: str, model: Path, *, is_complete: bool) -> int:
    """Complete ``summary.json`` with what only the demo knows, and print where to look.

    Raises:
        MilaError: A complete demo has no summary, or no frame was answered.
    """
    path = out / "summary.json"
    if not path.is_file():
        if is_complete:
            raise MilaError(f"the recorder left no summary; see {out}/log/recorder.log")
        return 0
    summary = {
        "model": model.name,
        "input": spec,
        **json.loads(path.read_text("utf-8")),
        "machine": environment.machine(),
        "versions": environment.versions(),
    }
    path.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    answered = max(summary["frames_out"].values(), default=0)
    if is_complete and not answered:
        raise MilaError(f"none of {summary['frames_in']} frames was answered; see {out}/log")
    print(conclusion(out, summary, answered))
    return 0


def conclusion(out: Path, summary: dict[str, Any], answered: int) -> str:
    """What is printed at the end."""
    dropped = {cause: count for cause, count in summary["dropped"].items() if count}
    causes = f" ({', '.join(f'{cause} {count}' for cause, count in dropped.items())})"
    lines = [
        f"{summary['frames_in']} frames in, {answered} answered, "
        f"{sum(dropped.values())} dropped{causes if dropped else ''}, "
        f"{summary['keyframes']} keyframes"
    ]
    latency = summary["latency_ms"]
    if latency:
        values = ", ".join(f"{name} {value:.0f} ms" for name, value in latency.items())
        lines.append(f"latency from the camera's stamp to publication: {values}")
    lines += [
        f"pictures  {out}/frame_*.png ({len(list(out.glob('frame_*.png')))})",
        f"bag       {out}/bag",
        f"summary   {out}/summary.json",
        f"logs      {out}/log",
    ]
    return "\n".join(lines)
