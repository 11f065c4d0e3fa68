# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DAVIS 2017 (Pont-Tuset et al.): short videos with their main objects cut out in every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mila_ros.data.datasets.base import About, DatasetError, Frame, Part
from mila_ros.data.datasets.files import read_indexed, read_lines, read_rgb
from mila_ros.data.datasets.labels import voc_colors
from mila_ros.data.datasets.video import VideoDataset

_PALETTE = voc_colors(255)


class Davis(VideoDataset):
    """DAVIS 2017, whose objects stand for what moves.

    Args:
        root: Folder ``DAVIS`` of the archive.
        split: ``train`` (60 sequences) or ``val`` (30).
        classes: None: there are no class labels.

    Raises:
        DatasetError: A folder, list or sequence is missing.
    """

    about = About(
        name="davis",
        title="DAVIS 2017 (Pont-Tuset et al., 2017)",
        splits=("train", "val"),
        taxonomies=(),
        license="as the archive's README.md and SOURCES.md say, video by video",
        units={"motion": "255 on any annotated object, 0 elsewhere, drawn by people"},
        where="https://davischallenge.org/davis2017/code.html",
        layout=(
            "JPEGImages/480p/SEQUENCE/00000.jpg",
            "Annotations/480p/SEQUENCE/00000.png",
            "ImageSets/2017/train.txt and val.txt",
        ),
        parts=(
            Part("JPEGImages/480p", "image", "DAVIS-2017-trainval-480p.zip (794 MB)", True),
            Part("Annotations/480p", "motion", "DAVIS-2017-trainval-480p.zip (794 MB)", True),
            Part(
                "ImageSets/2017/{split}.txt", "split", "DAVIS-2017-trainval-480p.zip (794 MB)", True
            ),
        ),
        limits=(
            "The masks are of foreground objects, a proxy for motion: an object that stands still "
            "for a while stays in, and what moves in the background is left out.",
        ),
    )
    fps = 24.0

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        self.sequences = []
        for name in read_lines(self.root / "ImageSets" / "2017" / f"{split}.txt"):
            files = sorted((self.root / "JPEGImages" / "480p" / name).glob("*.jpg"))
            if not files:
                path = self.root / "JPEGImages" / "480p" / name
                raise self.missing(path, "a sequence of the split", self.archive("image"))
            self.sequences.append((name, files))
        if not self.sequences:
            raise DatasetError(f"{self.root}/ImageSets/2017/{split}.txt names no sequence")

    def read(self, sequence: int, position: int) -> Frame:
        name, files = self.sequences[sequence]
        file = files[position]
        path = self.root / "Annotations" / "480p" / name / f"{file.stem}.png"
        if not path.is_file():
            raise self.missing(path, "a frame's objects", self.archive("motion"))
        objects = read_indexed(path, _PALETTE)
        return Frame(read_rgb(file), motion=(objects > 0).astype(np.uint8) * np.uint8(255))
