# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one interface of all data sets: annotated frames, and the clips that lead to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.labels import Taxonomy
from mila_ros.data.image_encodings import RgbImage
from mila_ros.errors import MilaError


class DatasetError(MilaError):
    """A data set that is not there, not whole, or not in its official layout."""


@dataclass(frozen=True)
class Frame:
    """An image and what is known about its pixels; a map that is not known is None.

    Attributes:
        image: rgb uint8 [H, W, 3].
        label: Class ids of the data set's `Dataset.taxonomy`, uint8 [H, W], 255 void.
        depth: Metres, float32 [H, W], NaN unknown; Cityscapes gives other units when asked.
        motion: 0 static, 255 moving, 127 unknown, uint8 [H, W].
        normals: Unit vectors in the camera's frame as the data set has it, float32 [H, W, 3],
            NaN unknown.
        edges: 0 none, 1 edge, 255 unknown, uint8 [H, W].
        saliency: 0 background, 1 salient, 255 unknown, uint8 [H, W].
        human_parts: 0 background, 1 to 6 parts (`HUMAN_PARTS7`), 255 unknown, uint8 [H, W].
        pose: Camera to world, float64 [4, 4].
    """

    image: RgbImage
    label: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    motion: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
    edges: NDArray[np.uint8] | None = None
    saliency: NDArray[np.uint8] | None = None
    human_parts: NDArray[np.uint8] | None = None
    pose: NDArray[np.float64] | None = None

    MAPS: ClassVar[tuple[str, ...]] = (
        "label",
        "depth",
        "motion",
        "normals",
        "edges",
        "saliency",
        "human_parts",
    )

    def __post_init__(self) -> None:
        for kind in self.MAPS:
            pixels = getattr(self, kind)
            if pixels is not None and pixels.shape[:2] != self.image.shape[:2]:
                height, width = pixels.shape[:2]
                raise DatasetError(
                    f"a {kind} map is {width}x{height}, but its image is "
                    f"{self.image.shape[1]}x{self.image.shape[0]}; the files do not belong together"
                )

    def maps(self) -> dict[str, NDArray[np.generic]]:
        """The maps that are known, by name."""
        known = {kind: getattr(self, kind) for kind in self.MAPS}
        return {kind: pixels for kind, pixels in known.items() if pixels is not None}


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of one camera; each is read when it is asked for.

    Attributes:
        name: Unique in its data set, good as a folder's name.
        readers: One for each frame, in the order of time.
        annotated: Which of the frames have their maps.
        fps: Frames a second, None where unknown.
        intrinsics: The matrix K [3, 3] in pixels, None where unknown.
    """

    name: str
    readers: tuple[Callable[[], Frame], ...]
    annotated: tuple[int, ...]
    fps: float | None = None
    intrinsics: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.readers)

    def frame(self, index: int) -> Frame:
        """A frame of the clip, read anew every time.

        Raises:
            DatasetError: A file of it is missing or damaged.
        """
        return self.readers[index]()


@dataclass(frozen=True)
class Part:
    """A folder or file of a data set.

    Attributes:
        path: Below the root; ``{split}`` stands for the split.
        gives: What is known with it: ``image``, one of `Frame.MAPS`, ``frames before``, ``K``.
        archive: The file to download, with its size as the page gives it.
        needed: Nothing can be read without it.
    """

    path: str
    gives: str
    archive: str
    needed: bool = False


@dataclass(frozen=True)
class About:
    """What a data set is, in words for people.

    Attributes:
        name: How the command line calls it.
        title: Its own name, with who made it and when.
        splits: Names of the splits; the first is for training.
        taxonomies: Lists of classes that labels can be read in, the first is the default; empty
            without labels.
        license: Under which terms its labels and images come.
        units: For each map, what its values count and where they come from.
        where: The page to download it from.
        layout: The tree below the root, a line for each path.
        parts: What the tree must and may hold.
        limits: What its maps cannot tell.
    """

    name: str
    title: str
    splits: tuple[str, ...]
    taxonomies: tuple[Taxonomy, ...]
    license: str
    units: Mapping[str, str]
    where: str
    layout: tuple[str, ...]
    parts: tuple[Part, ...]
    limits: tuple[str, ...] = field(default=())


class Dataset(ABC):
    """A split of a data set, in the folders that its authors publish.

    Args:
        root: The folder that `About.layout` calls ROOT.
        split: One of `About.splits`.
        classes: Name of one of `About.taxonomies`; the default is the first.

    Attributes:
        root: The folder.
        split: The split.
        taxonomy: The classes of its labels, None without labels.

    Raises:
        DatasetError: No such split or classes, or a folder is missing; the sentence names it.
    """

    about: ClassVar[About]

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        about = self.about
        self.root, self.split = Path(root), split
        if split not in about.splits:
            raise DatasetError(
                f"{about.name} has no split {split!r}; its splits are {', '.join(about.splits)}"
            )
        known = {taxonomy.name: taxonomy for taxonomy in about.taxonomies}
        if classes is not None and classes not in known:
            raise DatasetError(
                f"{about.name} cannot be read in the classes {classes!r}; "
                + (f"it has {', '.join(known)}" if known else "it has no class labels")
            )
        default = about.taxonomies[0] if about.taxonomies else None
        self.taxonomy: Taxonomy | None = known[classes] if classes else default
        if not self.root.is_dir():
            raise self.missing(self.root, "the data set's folder")
        for part in about.parts:
            if part.needed and not self.path(part).exists():
                raise self.missing(self.path(part), part.gives, part.archive)

    @abstractmethod
    def __len__(self) -> int:
        """How many annotated frames the split has."""

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """An annotated frame with every map that the data set has of it.

        Raises:
            DatasetError: A file of it is missing or damaged.
        """

    @abstractmethod
    def clip(self, index: int, before: int = 9) -> Clip:
        """The annotated frame ``index`` as the last of a clip.

        Args:
            index: Of the annotated frame.
            before: Frames before it; fewer where the video starts later or was not downloaded.
        """

    def clips(self, before: int = 9) -> Iterator[Clip]:
        """The split as clips: one that ends in each annotated frame.

        Video that is annotated throughout comes as whole sequences.
        """
        for index in range(len(self)):
            yield self.clip(index, before)

    def path(self, part: Part) -> Path:
        """Where a part of the data set lies."""
        return self.root / part.path.format(split=self.split)

    def has(self, gives: str) -> bool:
        """Whether all parts that give something are there."""
        parts = [part for part in self.about.parts if part.gives == gives]
        return bool(parts) and all(self.path(part).exists() for part in parts)

    def archive(self, gives: str) -> str:
        """The archive that something comes with."""
        return next(part.archive for part in self.about.parts if part.gives == gives)

    def absent(self) -> list[DatasetError]:
        """For each part that may be there and is not: the sentence that says so."""
        return [
            self.missing(self.path(part), part.gives, part.archive)
            for part in self.about.parts
            if not self.path(part).exists()
        ]

    def missing(self, path: Path, what: str, archive: str | None = None) -> DatasetError:
        """The one sentence about a file or folder that is not there."""
        about = self.about
        of = f"{archive} of {about.title}" if archive else about.title
        return DatasetError(
            f"{path} is missing ({what}); download {of} from {about.where} and unpack it so that "
            f"{self.root} holds {'; '.join(about.layout)}"
        )
