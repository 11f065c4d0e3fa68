# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled clip folders to train on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.clip_folder import ClipFolder, is_clip_folder
from ..data.datasets.labels import Taxonomy
from ..errors import MilaError
from ..simulation.splits import check_trainable
from .labels import label_table
from .targets import has_target, read_target

STILLS_FPS = 1.0
"""At this rate or less, frames have little to do with each other: each is a picture of its own."""


def find_clips(roots: Sequence[Path]) -> list[Path]:
    """Clip folders: the roots that are one, and those directly in the others, sorted.

    Raises:
        MilaError: A root is no folder, or there is no clip in it.
    """
    found: list[Path] = []
    for root in roots:
        if not root.is_dir():
            raise MilaError(f"{root} is no folder; clips are made by: mila simulate --out FOLDER")
        here = [root] if is_clip_folder(root) else sorted(filter(is_clip_folder, root.iterdir()))
        if not here:
            raise MilaError(f"there is no clip folder in {root}; mila simulate --out makes some")
        found += here
    return found


def origin(folder: Path) -> Hashable:
    """What is the same of two clips that show the same, however large and under whatever name.

    The world and seed of a simulated clip, data set and name of a converted one, else the folder.
    """
    for file, keys in (
        ("simulation.json", ("world", "seed")),
        ("dataset.json", ("dataset", "clip")),
    ):
        try:
            found = json.loads((folder / file).read_text(encoding="utf-8"))
            return file, *(str(found[key]) for key in keys)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return folder.resolve()


class Clips:
    """Labelled clip folders to train on; frames are read when a sample asks for them.

    Args:
        folders: Clip folders.
        classes: What labels are mapped to, by name.
        tasks: What is learned from them.

    Attributes:
        clips: The folders.
        labelled: Of each, the frames that have the map of at least one task.
        stills: Of each, whether its frames are pictures of their own.

    Raises:
        MilaError: A folder cannot be used, such as a simulated one whose seed is kept for
            validation or tests; the sentence says which and why.
    """

    def __init__(self, folders: Sequence[Path], classes: Taxonomy, tasks: Sequence[str]) -> None:
        self.classes, self.tasks = classes, tuple(tasks)
        self.clips: list[ClipFolder] = []
        self.tables: list[NDArray[np.uint8]] = []
        for folder in folders:
            _check_seed(folder)
            clip = ClipFolder.open(folder)
            if "depth" in tasks and clip.metres_per_unit is not None and clip.intrinsics is None:
                raise MilaError(
                    f"{folder} has depth but no K in its camera.json, so that its depth cannot be "
                    "brought to one focal length; add K"
                )
            self.clips.append(clip)
            try:
                self.tables.append(label_table(clip.classes, classes))
            except MilaError as error:
                raise MilaError(
                    f"{folder} cannot be trained on: {error}, or remove its label/ and labels.json "
                    "to learn from its other maps alone"
                ) from error
        self.labelled = [self._labelled(clip) for clip in self.clips]
        self.stills = [clip.fps is not None and clip.fps <= STILLS_FPS for clip in self.clips]

    @property
    def fingerprint(self) -> str:
        """Of which clips these are: a hash of their names, lengths and labelled frames."""
        parts = [
            (clip.path.name, len(clip), frames)
            for clip, frames in zip(self.clips, self.labelled, strict=True)
        ]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def target(self, clip: int, frame: int, task: str) -> NDArray[Any] | None:
        """A task's map, segmentation in the model's ids; None without one."""
        own = read_target(self.clips[clip], frame, task)
        if own is None or task != "segmentation":
            return own
        return self.tables[clip][own]

    def class_weights(self, at_least: int = 100, at_most: int = 500) -> Tensor:
        """1 / log(1.1 + share of pixels), as ENet weighs rare classes, scaled to a mean of 1.

        float32 [classes]; from the first labelled frame of every clip, or of about ``at_most`` of
        many, and from more frames of each where there are fewer than ``at_least`` clips.
        """
        count = len(self.classes.classes)
        pixels = np.zeros(256, np.int64)
        each = -(-at_least // len(self.clips))
        for index in range(0, len(self.clips), max(1, len(self.clips) // at_most)):
            labelled = [
                frame
                for frame in self.labelled[index]
                if has_target(self.clips[index], frame, "segmentation")
            ]
            for frame in labelled[:: max(1, len(labelled) // each)][:each]:
                label = self.target(index, frame, "segmentation")
                if label is not None:
                    pixels += np.bincount(label.ravel(), minlength=256)
        weights = 1 / np.log(1.1 + pixels[:count] / max(pixels[:count].sum(), 1))
        return torch.tensor(weights / weights.mean(), dtype=torch.float32)

    def _labelled(self, clip: ClipFolder) -> tuple[int, ...]:
        """Frames that have the map of at least one task."""
        frames = range(len(clip))
        return tuple(f for f in frames if any(has_target(clip, f, task) for task in self.tasks))


def _check_seed(folder: Path) -> None:
    recipe = folder / "simulation.json"
    if not recipe.exists():
        return
    try:
        seed = int(json.loads(recipe.read_text(encoding="utf-8"))["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MilaError(f"{recipe} does not say which seed made the clip; make it anew") from error
    try:
        check_trainable(seed)
    except MilaError as error:
        raise MilaError(f"{folder} cannot be trained on: {error}") from error
