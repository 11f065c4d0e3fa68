# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PASCAL-Context with five tasks, as ASTMT (CVPR 2019) put it together and MTI-Net uses it.

Classes, edges and human parts were drawn by people; saliency and normals are distilled, that is
predicted by other networks. The archive is PASCAL_MT, in MATLAB files and PNGs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import About, Clip, Dataset, DatasetError, Frame, Part
from mila_ros.data.datasets.files import (
    boundaries,
    read_channels,
    read_indexed,
    read_lines,
    read_map,
    read_mat,
    read_rgb,
)
from mila_ros.data.datasets.labels import voc_colors
from mila_ros.data.datasets.normals import normals_from_rgb8
from mila_ros.data.datasets.pascal_labels import PART_IDS, VOC21

_PALETTE = voc_colors(255)
_ARCHIVE = "PASCAL_MT.tgz (linked from ASTMT's and MTI-Net's pages)"


class PascalContext(Dataset):
    """PASCAL-Context with classes, human parts, saliency, edges and normals.

    Args:
        root: Folder ``PASCAL_MT``.
        split: ``train`` (4998 images) or ``val`` (5105).
        classes: ``voc21``.

    Raises:
        DatasetError: A folder or list is missing.
    """

    about = About(
        name="pascal_context",
        title="PASCAL-Context in ASTMT's form",
        splits=("train", "val"),
        taxonomies=(VOC21,),
        license="images under Flickr's terms (PASCAL VOC), annotations for research",
        units={
            "label": "21 classes, drawn by people",
            "human_parts": "PASCAL-Part, drawn by people, merged to 6 parts; unknown in images "
            "without people",
            "saliency": "distilled from another network: grey above 127",
            "edges": "where the class of PASCAL-Context's label map changes to the right or below",
            "normals": "distilled from another network, 8 bits; unknown in the sky where "
            "pascal-context/labels.txt names it",
        },
        where="https://github.com/facebookresearch/astmt",
        layout=(
            "JPEGImages/ID.jpg",
            "ImageSets/Context/train.txt and val.txt",
            "semseg/VOC12/ID.png and semseg/pascal-context/ID.png",
            "human_parts/ID.mat",
            "sal_distill/ID.png",
            "normals_distill/ID.png",
            "pascal-context/trainval/ID.mat, pascal-context/labels.txt",
        ),
        parts=(
            Part("JPEGImages", "image", _ARCHIVE, True),
            Part("ImageSets/Context/{split}.txt", "split", _ARCHIVE, True),
            Part("semseg", "label", _ARCHIVE),
            Part("human_parts", "human_parts", _ARCHIVE),
            Part("sal_distill", "saliency", _ARCHIVE),
            Part("normals_distill", "normals", _ARCHIVE),
            Part("pascal-context/trainval", "edges", _ARCHIVE),
            Part(
                "pascal-context/labels.txt",
                "which normals are of the sky",
                "labels.txt (cs.stanford.edu/~roozbeh/pascal-context)",
            ),
        ),
        limits=(
            "The layout is that of the archive's public descriptions.",
            "Saliency and normals tell what other networks see, not what is.",
            "Published edge scores (odsF) come from another program with its own tolerance.",
        ),
    )

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        self.names = read_lines(self.root / "ImageSets" / "Context" / f"{split}.txt")
        self._sky = self._sky_id()

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, index: int) -> Frame:
        name = self.names[index]
        image = read_rgb(self.root / "JPEGImages" / f"{name}.jpg")
        context = self._context(name) if self.has("edges") else None
        saliency = None
        if self.has("saliency"):
            grey = read_map(self.root / "sal_distill" / f"{name}.png", np.uint8)
            saliency = (grey > 127).astype(np.uint8)
        return Frame(
            image,
            label=self._label(name) if self.has("label") else None,
            normals=self._normals(name, context) if self.has("normals") else None,
            edges=None if context is None else boundaries(context),
            saliency=saliency,
            human_parts=self._human_parts(name) if self.has("human_parts") else None,
        )

    def clip(self, index: int, before: int = 9) -> Clip:
        """The single image: there are no frames before."""
        return Clip(self.names[index], (partial(self.frame, index),), (0,))

    def _label(self, name: str) -> NDArray[np.uint8]:
        folders = [self.root / "semseg" / folder for folder in ("VOC12", "pascal-context")]
        for folder in folders:
            if (folder / f"{name}.png").is_file():
                return read_indexed(folder / f"{name}.png", _PALETTE)
        raise self.missing(folders[0] / f"{name}.png", "an image's classes", _ARCHIVE)

    def _context(self, name: str) -> NDArray[np.integer]:
        path = self.root / "pascal-context" / "trainval" / f"{name}.mat"
        content = read_mat(path)
        if "LabelMap" not in content:
            raise DatasetError(f"{path} is not PASCAL-Context's: it holds no LabelMap")
        return np.asarray(content["LabelMap"])

    def _normals(self, name: str, context: NDArray[np.integer] | None) -> NDArray[np.float32]:
        rgb = read_channels(self.root / "normals_distill" / f"{name}.png", np.uint8)
        known = None
        if context is not None and self._sky is not None:
            known = context != self._sky
        return normals_from_rgb8(rgb, known)

    def _human_parts(self, name: str) -> NDArray[np.uint8] | None:
        """Parts of all people in an image; None without people, whose parts are then unknown."""
        path = self.root / "human_parts" / f"{name}.mat"
        if not path.is_file():
            return None
        content = read_mat(path)
        if "anno" not in content:
            raise DatasetError(f"{path} is not PASCAL-Part's: it holds no anno")
        objects = np.atleast_1d(content["anno"].objects)
        people = [thing for thing in objects if getattr(thing, "class") == "person"]
        if not people:
            return None
        parts = np.zeros(people[0].mask.shape, np.uint8)
        for person in people:
            for part in np.atleast_1d(person.parts):
                if getattr(part, "part_name", None) in PART_IDS:
                    parts[part.mask > 0] = PART_IDS[part.part_name]
        return parts

    def _sky_id(self) -> int | None:
        """Id of the sky in PASCAL-Context's lines ``ID: NAME``."""
        path = self.root / "pascal-context" / "labels.txt"
        if not path.is_file():
            return None
        for line in read_lines(path):
            number, _, name = line.partition(":")
            if name.strip() == "sky":
                return int(number)
        return None
