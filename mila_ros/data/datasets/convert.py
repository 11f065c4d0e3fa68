# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets to clip folders, which training and evaluation read.

Beside what `mila_ros.data.clip_folder` describes, a clip gets ``dataset.json`` (where it comes
from, which frames are annotated, licence and units) and, where the data set has them,
``normals/`` (uint16 RGB, see `encode_normals`), ``edges/``, ``saliency/`` and ``human_parts/``
(uint8, 255 unknown).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.clip_maps import NEAREST
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.datasets.base import Clip, Dataset, DatasetError, Frame
from mila_ros.data.datasets.normals import encode_normals
from mila_ros.data.unfinished import unfinished

STILLS_FPS = 1.0
"""What a clip of one frame is said to have; evaluation takes it for stills, not for video."""

SPARSE = 0.5
"""Depth known on fewer than this share of the pixels is carried over pixel by pixel."""


def convert(
    dataset: Dataset,
    out: Path,
    size: tuple[int, int] | None = None,
    before: int = 9,
    limit: int | None = None,
    jobs: int = 1,
) -> Iterator[Path]:
    """Write a split as clip folders ``out/NAME``; those that are there already are kept.

    Args:
        dataset: The split; its depth in metres.
        out: Folder for the clips.
        size: Width and height, None keeps the data set's own.
        before: Frames before each annotated one, where the data set has them.
        limit: At most so many clips.
        jobs: Threads.

    Yields:
        Each clip's folder when it is complete.

    Raises:
        DatasetError: A file of the data set is missing or damaged, or its depth is no depth.
    """
    if getattr(dataset, "depth", "metres") in ("mtan", "disparity"):
        raise DatasetError("clip folders hold depth in metres; read the data set with depth=metres")
    clips = islice(dataset.clips(before), limit)
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(lambda clip: write_clip(dataset, clip, out, size), clips)
    finally:  # one clip that cannot be read ends the work, not when thousands of others are done
        pool.shutdown(cancel_futures=True)


def write_clip(
    dataset: Dataset, clip: Clip, out: Path, size: tuple[int, int] | None = None
) -> Path:
    """Write one clip to ``out/NAME``; it appears there when it is complete.

    Raises:
        DatasetError: It is there already, converted otherwise, or cannot be written.
    """
    target = out / re.sub(r"[^\w.-]", "_", clip.name)
    origin = _origin(dataset, clip, size)
    if target.is_dir():
        _check_same(target, origin)
        return target
    try:
        with unfinished(target) as content:
            _write(dataset, clip, content, size)
            (content / "dataset.json").write_text(json.dumps(origin, indent=1) + "\n")
            content.rename(target)
    except OSError as error:
        raise DatasetError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def _write(dataset: Dataset, clip: Clip, path: Path, size: tuple[int, int] | None) -> None:
    first = clip.frame(0)
    height, width = first.image.shape[:2]
    intrinsics = clip.intrinsics
    if size is not None and intrinsics is not None:
        intrinsics = resized_intrinsics(intrinsics, (width, height), size)
    classes = dataset.taxonomy.classes if dataset.taxonomy else ()
    fps = clip.fps if len(clip) > 1 else STILLS_FPS
    with ClipWriter(path, fps=fps, intrinsics=intrinsics, classes=classes) as writer:
        for index in range(len(clip)):
            frame = first if index == 0 else clip.frame(index)
            if size is not None:
                frame = resized(frame, size)
            writer.add(
                frame.image,
                depth=frame.depth,
                label=frame.label,
                motion=frame.motion,
                pose=frame.pose,
            )
            _write_extras(path, index, frame)


def _origin(dataset: Dataset, clip: Clip, size: tuple[int, int] | None) -> dict[str, Any]:
    """What ``dataset.json`` of a clip says."""
    about = dataset.about
    return {
        "dataset": about.name,
        "title": about.title,
        "split": dataset.split,
        "clip": clip.name,
        "annotated": list(clip.annotated),
        "frames": len(clip),
        "classes": list(dataset.taxonomy.classes) if dataset.taxonomy else [],
        "size": None if size is None else list(size),
        "license": about.license,
        "units": dict(about.units),
        "limits": list(about.limits),
        "where": about.where,
    }


def _check_same(target: Path, origin: dict[str, Any]) -> None:
    """Refuse a clip that is there of other frames, classes or size: it would be trained on."""
    try:
        found = json.loads((target / "dataset.json").read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{target} is there, but is no clip that was converted: {error}"
        ) from error
    wanted = ("dataset", "split", "annotated", "frames", "classes", "size")
    other = [key for key in wanted if key in found and found[key] != origin[key]]
    if other:
        raise DatasetError(
            f"{target} has been converted with other {' and '.join(other)}; give another --out, or "
            "remove it"
        )


def resized(frame: Frame, size: tuple[int, int]) -> Frame:
    """A frame at another width and height; no map gets a value that it did not have."""
    width, height = size
    before = frame.image.shape[1], frame.image.shape[0]
    if before == size:
        return frame
    smaller = width < before[0]
    image = cv2.resize(
        frame.image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    maps: dict[str, Any] = {}
    for kind, pixels in frame.maps().items():
        if kind == "depth" and np.isfinite(pixels).mean() < SPARSE:
            maps[kind] = _scattered(pixels, size)
        elif kind == "edges" and smaller:
            maps[kind] = _thickest(pixels, size)
        else:
            maps[kind] = cv2.resize(pixels, size, interpolation=NEAREST)
    return replace(frame, image=image, **maps)


def resized_intrinsics(
    intrinsics: NDArray[np.float64], before: tuple[int, int], after: tuple[int, int]
) -> NDArray[np.float64]:
    """K of pictures of width and height ``after`` from that of ``before``.

    Pixel centres are at whole numbers, so that the picture's corner is at (-0.5, -0.5).
    """
    x, y = after[0] / before[0], after[1] / before[1]
    scale = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return scale @ intrinsics


def _scattered(depth: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Sparse depth at another size: the nearest of the known pixels that fall on a pixel."""
    rows, columns = np.nonzero(np.isfinite(depth))
    out = np.full((size[1], size[0]), np.inf, np.float32)
    height, width = depth.shape
    where = (2 * rows + 1) * size[1] // (2 * height), (2 * columns + 1) * size[0] // (2 * width)
    np.minimum.at(out, where, depth[rows, columns])
    return np.where(np.isfinite(out), out, np.float32(np.nan))


def _thickest(edges: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Edges at a smaller size: 1 where any pixel of the area was one."""
    some = cv2.resize((edges == 1).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    unknown = cv2.resize(edges, size, interpolation=NEAREST) == 255
    return np.where(some, 1, np.where(unknown, 255, 0)).astype(np.uint8)


def _write_extras(folder: Path, index: int, frame: Frame) -> None:
    pictures: dict[str, NDArray[Any] | None] = {
        "normals": None if frame.normals is None else encode_normals(frame.normals)[..., ::-1],
        "edges": frame.edges,
        "saliency": frame.saliency,
        "human_parts": frame.human_parts,
    }
    for kind, pixels in pictures.items():
        if pixels is not None:
            (folder / kind).mkdir(exist_ok=True)
            data = cv2.imencode(".png", pixels)[1]
            (folder / kind / f"{index:06d}.png").write_bytes(data.tobytes())
