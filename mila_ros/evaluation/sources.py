# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled videos to evaluate on: what they have in common, and clip folders as such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bags import is_bag
from mila_ros.data.clip_folder import ClipFolder, is_clip_folder
from mila_ros.data.clip_maps import read_flow, read_ids, read_normals
from mila_ros.data.read_ahead import ReadAhead
from mila_ros.errors import MilaError

from .truth import Truth

_ASSUMED_FPS = 10.0
STILLS_FPS = 1.0
"""At this rate or less, the frames of a clip are no video."""


@dataclass(frozen=True)
class LabelledFrame:
    """A frame and what is true about it.

    Attributes:
        index: Of the frame in its source, from 0.
        stamp_ns: When it was taken.
        image: rgb uint8 [H, W, 3].
        truth: Maps of the image's size.
    """

    index: int
    stamp_ns: int
    image: NDArray[np.uint8]
    truth: Truth


class Outline(Protocol):
    """What playing a labelled video is planned by; its length is in frames.

    Attributes:
        name: For people.
        classes: Of its labels by id; empty without labels.
        stills: Its frames are no video.
    """

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def stills(self) -> bool: ...

    def __len__(self) -> int: ...


class LabelledSource(Outline, Protocol):
    """A labelled video; it can be sent to another process.

    Attributes:
        focal_px: Horizontal focal length in pixels, None where unknown.
    """

    @property
    def focal_px(self) -> float | None: ...
    def frames(self) -> Iterator[LabelledFrame]: ...


@dataclass(frozen=True)
class ClipSource:
    """A clip folder. At one frame a second or less its frames are stills."""

    clip: ClipFolder

    @property
    def name(self) -> str:
        return str(self.clip.path)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.clip.classes

    @property
    def focal_px(self) -> float | None:
        return None if self.clip.intrinsics is None else float(self.clip.intrinsics[0, 0])

    @property
    def stills(self) -> bool:
        return self.clip.fps is not None and self.clip.fps <= STILLS_FPS

    def __len__(self) -> int:
        return len(self.clip)

    def frames(self) -> Iterator[LabelledFrame]:
        """All frames in order, read a few ahead; those of an unknown rate are 0.1 s apart.

        Raises:
            ClipError: A file cannot be used.
        """
        ahead = ReadAhead(range(len(self.clip)), self._frame, depth=3)
        try:
            yield from ahead
        finally:
            ahead.close()

    def _frame(self, index: int) -> LabelledFrame:
        clip = self.clip
        truth = Truth(
            segmentation=clip.label(index),
            depth=clip.depth(index),
            motion=clip.motion(index),
            normals=read_normals(clip, index),
            edges=read_ids(clip, "edges", index),
            saliency=read_ids(clip, "saliency", index),
            human_parts=read_ids(clip, "human_parts", index),
            flow=read_flow(clip, index),
        )
        stamp_ns = round((index + 1) * 1e9 / (clip.fps or _ASSUMED_FPS))
        return LabelledFrame(index, stamp_ns, clip.image(index), truth)


def find_clips(paths: Sequence[Path]) -> list[ClipSource]:
    """Clip folders: the paths that are one, and those in the others, in order of name.

    Raises:
        MilaError: A path is no folder, or there is no clip in it.
    """
    found: list[ClipSource] = []
    for path in paths:
        if not path.is_dir():
            raise MilaError(f"there is no folder {path}; --clips takes clip folders")
        here = [path] if is_clip_folder(path) else sorted(filter(is_clip_folder, path.iterdir()))
        if not here:
            hint = "; it is a bag, give it without --clips" if is_bag(path) else ""
            raise MilaError(f"{path} is no clip folder and has none in it{hint}")
        found += [ClipSource(ClipFolder.open(folder)) for folder in here]
    return found
