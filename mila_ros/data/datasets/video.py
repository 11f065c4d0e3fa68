# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets whose videos are annotated in every frame."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import Clip, Dataset, DatasetError, Frame, Part


class VideoDataset(Dataset):
    """Sequences of annotated frames; annotated frames are counted through all of them.

    Attributes:
        sequences: Name and image files of each sequence, to be set by ``__init__``.
        fps: Frames a second, None where unknown.
        per_sequence: What each sequence's folder may hold.
    """

    sequences: Sequence[tuple[str, Sequence[Path]]]
    fps: float | None = None
    per_sequence: tuple[Part, ...] = ()

    def folder(self, sequence: int) -> Path:
        """The folder that `per_sequence` is below."""
        return self.root

    @abstractmethod
    def read(self, sequence: int, position: int) -> Frame:
        """A frame of a sequence with its maps."""

    def intrinsics(self, sequence: int) -> NDArray[np.float64] | None:
        """The matrix K of a sequence, None where unknown."""
        return None

    def __len__(self) -> int:
        return sum(len(files) for _, files in self.sequences)

    def frame(self, index: int) -> Frame:
        return self.read(*self._place(index))

    def clip(self, index: int, before: int = 9) -> Clip:
        """As `Dataset.clip`; the frames before are annotated too."""
        sequence, position = self._place(index)
        name = f"{self.sequences[sequence][0]}_{position:06d}"
        return self._clip(name, sequence, range(max(position - before, 0), position + 1))

    def clips(self, before: int = 9) -> Iterator[Clip]:
        """Whole sequences, whatever ``before``."""
        for number, (name, files) in enumerate(self.sequences):
            yield self._clip(name, number, range(len(files)))

    def absent(self) -> list[DatasetError]:
        """A sentence for each part that sequences lack, about the first of them."""
        folders = [self.folder(number) for number in range(len(self.sequences))]
        sentences = super().absent()
        for part in self.per_sequence:
            without = [folder for folder in folders if not (folder / part.path).exists()]
            if without:
                others = f", as in {len(without) - 1} other sequences" if len(without) > 1 else ""
                path = without[0] / part.path
                sentences.append(self.missing(path, part.gives + others, part.archive))
        return sentences

    def _clip(self, name: str, sequence: int, positions: range) -> Clip:
        readers = tuple(partial(self.read, sequence, position) for position in positions)
        everything = tuple(range(len(positions)))
        return Clip(name, readers, everything, self.fps, self.intrinsics(sequence))

    def _place(self, index: int) -> tuple[int, int]:
        """Sequence and position in it of an annotated frame."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.about.name} has frames 0 to {len(self) - 1}, not {index}")
        ends = list(accumulate(len(files) for _, files in self.sequences))
        sequence = bisect_right(ends, index)
        return sequence, index - (ends[sequence - 1] if sequence else 0)
