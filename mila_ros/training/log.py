# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log of a training: a file of JSON lines, the terminal, and TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MilaError


class Log:
    """Writes OUT/log.jsonl and to the terminal, and to OUT/tensorboard if wanted.

    Args:
        out: Folder of the training; None to write nothing, as all processes but the first do.
        tensorboard: Whether to write for TensorBoard too.

    Raises:
        MilaError: TensorBoard is wanted and not installed.
    """

    def __init__(self, out: Path | None, tensorboard: bool = False) -> None:
        self._path = None if out is None else out / "log.jsonl"
        self._board: Any = None
        if out is not None and tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise MilaError(
                    "TensorBoard is not installed; run: pip install tensorboard"
                ) from error
            self._board = SummaryWriter(str(out / "tensorboard"))

    @property
    def draws(self) -> bool:
        """Whether pictures are kept."""
        return self._board is not None

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Add a line; numbers of one with a ``stage`` and a ``step`` are curves of that stage.

        Raises:
            MilaError: It cannot be written.
        """
        if self._path is None:
            return
        text = json.dumps(dict(line))
        print(text, flush=True)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            raise MilaError(f"{self._path} cannot be written: {error.strerror}") from error
        if self._board is not None and "step" in line:
            values = {k: v for k, v in line.items() if k != "step"} | {
                f"validation/{k}": v for k, v in line.get("validation", {}).items()
            }
            for key, value in values.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{line['stage']}/{key}", value, line["step"])

    def draw(self, stage: str, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Keep a picture, RGB [H, W, 3]."""
        if self._board is not None:
            self._board.add_image(f"{stage}/{name}", picture, step, dataformats="HWC")

    def begin(self) -> None:
        """Drop what a training wrote that was killed before there was anything to go on from."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def rewind(self, stages: Sequence[str], stage: int, step: int) -> None:
        """Drop what was written after a step, which is about to be written again.

        Args:
            stages: Names of all stages.
            stage: Number of the stage.
            step: The last step to keep.

        Raises:
            MilaError: The file cannot be written.
        """
        if self._path is None or not self._path.exists():
            return
        numbers = {name: number for number, name in enumerate(stages)}
        part = self._path.with_suffix(".part")
        try:
            kept = []
            for text in self._path.read_text(encoding="utf-8").splitlines():
                line = _parsed(text)
                if line is not None and (
                    (numbers.get(line.get("stage"), -1), line.get("step", 0)) <= (stage, step)
                ):
                    kept.append(text + "\n")
            part.write_text("".join(kept), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise MilaError(f"{self._path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Write what is waiting."""
        if self._board is not None:
            self._board.close()


def _parsed(text: str) -> dict[str, Any] | None:
    """A line's content; None for one that a full disk or a kill cut off."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
