# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""NYU Depth v2 (Silberman et al., ECCV 2012): rooms seen by a Kinect, 640x480.

1449 frames of the videos are annotated; they are in one MATLAB file of version 7.3, which HDF5
reads, with the axes turned round. Its images and depth maps are undistorted, the videos are not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import About, Clip, Dataset, DatasetError, Frame, Part
from mila_ros.data.datasets.files import (
    boundaries,
    matlab_reader,
    read_channels,
    read_map,
    read_mat,
    read_rgb,
)
from mila_ros.data.datasets.labels import NYU13
from mila_ros.data.datasets.normals import normals_from_rgb8
from mila_ros.data.datasets.nyu_labels import NYU40, nyu_table

INTRINSICS = np.array([[518.857901, 0, 324.582449], [0, 519.469611, 252.736166], [0, 0, 1]])
"""K of the colour camera (camera_params.m of the toolbox, which counts pixels from 1)."""

DISTORTION = np.array([0.20796615, -0.58613825, 0.00072231363, 0.0010479628, 0.49856987])
"""k1, k2, p1, p2, k3 of the colour camera, in OpenCV's order."""

_LABELED = "nyu_depth_v2_labeled.mat"
_SPLITS = {"train": "trainNdxs", "test": "testNdxs"}


class NYUv2(Dataset):
    """The labelled frames of NYU Depth v2 in the official split of 795 and 654.

    Args:
        root: Folder with the MATLAB file.
        split: ``train`` or ``test``.
        classes: ``nyu13`` or ``nyu40``.
        depth: ``filled`` (in-painted, known everywhere) or ``raw`` (as the Kinect saw it).

    Raises:
        DatasetError: h5py or scipy is not installed, or a file is missing or damaged.
    """

    about = About(
        name="nyuv2",
        title="NYU Depth v2 (Silberman et al., 2012)",
        splits=("train", "test"),
        taxonomies=(NYU13, NYU40),
        license="its page states none; given for research, to be cited",
        units={
            "label": "894 names drawn by people, merged to 40 by classMapping40.mat, and to 13",
            "depth": "metres by a Kinect, up to 10; filled: in-painted, raw: unknown where 0",
            "normals": "computed from the Kinect's depth (Eigen and Fergus, ICCV 2015), "
            "unknown outside of their masks",
            "edges": "where the label or the instance changes to the right or below",
        },
        where="https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html",
        layout=(
            _LABELED,
            "splits.mat",
            "classMapping40.mat",
            "normals_gt/normals/0000.png and normals_gt/masks/0000.png (from "
            "cs.nyu.edu/~deigen/dnl, with a copy at web.archive.org)",
            "raw/SCENE/r-TIME-NUMBER.ppm",
        ),
        parts=(
            Part(_LABELED, "image", f"{_LABELED} (2.8 GB)", True),
            Part("splits.mat", "split", "splits.mat (horatio.cs.nyu.edu/mit/silberman)", True),
            Part(
                "classMapping40.mat",
                "label",
                "classMapping40.mat (github.com/ankurhanda/nyuv2-meta-data)",
            ),
            Part("normals_gt", "normals", "normals_gt.tgz (cs.nyu.edu/~deigen/dnl)"),
            Part("raw", "frames before", "the raw data set (428 GB)"),
        ),
        limits=(
            "Frames of the videos are undistorted here with the toolbox's calibration, to look "
            "like the labelled ones.",
            "Depth is known to about 10 m, and wrong on glass, mirrors and black surfaces.",
        ),
    )

    def __init__(
        self, root: str | Path, split: str, classes: str | None = None, depth: str = "filled"
    ) -> None:
        super().__init__(root, split, classes)
        if depth not in ("filled", "raw"):
            raise DatasetError(f"nyuv2 has no depth in {depth!r}; it can be filled or raw")
        self.depth = "depths" if depth == "filled" else "rawDepths"
        path = self.root / "splits.mat"
        numbers = read_mat(path).get(_SPLITS[split])
        if numbers is None:
            raise DatasetError(f"{path} is not NYUv2's: it holds no {_SPLITS[split]}")
        self._numbers = [int(number) - 1 for number in np.atleast_1d(numbers)]
        matlab_reader("h5py", str(self.root / _LABELED))
        self._table: NDArray[np.uint8] | None = None
        if self.has("label"):
            assert self.taxonomy is not None
            mapping = read_mat(self.root / "classMapping40.mat")
            if "mapClass" not in mapping:
                raise DatasetError(f"{self.root / 'classMapping40.mat'} holds no mapClass")
            self._table = nyu_table(np.atleast_1d(mapping["mapClass"]), self.taxonomy)
        self._videos: dict[str, list[Path]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def frame(self, index: int) -> Frame:
        number = self._numbers[index]
        arrays = self._read(number, "images", "labels", "instances", self.depth)
        image, ids, instances, depth = (
            np.ascontiguousarray(np.swapaxes(a, -1, -2)) for a in arrays
        )
        metres = depth.astype(np.float32)
        metres[metres <= 0] = np.nan
        return Frame(
            np.ascontiguousarray(image.transpose(1, 2, 0)),
            label=None if self._table is None else self._table[ids],
            depth=metres,
            normals=self._normals(number),
            edges=boundaries(ids.astype(np.int64) << 32 | instances),
        )

    def clip(self, index: int, before: int = 9) -> Clip:
        """As `Dataset.clip`; no frames before without the raw videos."""
        number = self._numbers[index]
        readers = [partial(self.frame, index)]
        if self.has("frames before"):
            video, position = self._in_video(self._video_file(number))
            earlier = video[max(position - before, 0) : position]
            readers = [partial(_raw_frame, path) for path in earlier] + readers
        annotated = (len(readers) - 1,)
        return Clip(f"{number:04d}", tuple(readers), annotated, None, INTRINSICS)

    def _read(self, number: int, *names: str) -> list[NDArray[Any]]:
        path = self.root / _LABELED
        h5py = matlab_reader("h5py", str(path))
        try:
            with h5py.File(path, "r") as content:
                return [content[name][number] for name in names]
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise DatasetError(
                f"{path} cannot be read as NYUv2's labelled frames, number {number}: {error}"
            ) from error

    def _video_file(self, number: int) -> str:
        """Name of the annotated frame in the raw data set: SCENE/r-TIME-NUMBER.ppm."""
        path = self.root / _LABELED
        h5py = matlab_reader("h5py", str(path))
        try:
            with h5py.File(path, "r") as content:
                characters = content[content["rawRgbFilenames"][0][number]][()]
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise DatasetError(f"{path} does not name its frames in the videos: {error}") from error
        return "".join(map(chr, np.ravel(characters)))

    def _in_video(self, name: str) -> tuple[list[Path], int]:
        path = self.root / "raw" / name
        folder = path.parent
        if folder.name not in self._videos:
            frames = sorted(folder.glob("r-*.ppm"), key=lambda file: float(file.name.split("-")[1]))
            self._videos[folder.name] = frames
        video = self._videos[folder.name]
        if path not in video:
            raise self.missing(path, "an annotated frame's video", self.archive("frames before"))
        return video, video.index(path)

    def _normals(self, number: int) -> NDArray[np.float32] | None:
        if not self.has("normals"):
            return None
        rgb, mask = (
            self.root / "normals_gt" / kind / f"{number:04d}.png" for kind in ("normals", "masks")
        )
        return normals_from_rgb8(read_channels(rgb, np.uint8), read_map(mask, np.uint8) > 0)


def _raw_frame(path: Path) -> Frame:
    return Frame(cv2.undistort(read_rgb(path), INTRINSICS, DISTORTION))
