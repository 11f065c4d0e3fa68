# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI raw data (Geiger et al., IJRR 2013): drives around Karlsruhe, 1242x375, 10 Hz.

Depth is the laser scanner's, on about 4 % of the pixels. Motion comes from the tracklets, see
`kitti_tracklets`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import About, DatasetError, Frame, Part
from mila_ros.data.datasets.files import read_lines, read_rgb
from mila_ros.data.datasets.kitti_calibration import (
    Calibration,
    Matrix,
    sparse_depth,
    world_from_imu,
)
from mila_ros.data.datasets.kitti_tracklets import (
    FRAMES_A_SECOND,
    Tracklet,
    motion_mask,
    read_tracklets,
)
from mila_ros.data.datasets.video import VideoDataset

EIGEN_TEST_DRIVES = frozenset(
    f"{day}_drive_{number}_sync"
    for day, numbers in {
        "2011_09_26": "0002 0009 0013 0020 0023 0027 0029 0036 0046 0048 0052 0056 0059 0064 0084 "
        "0086 0093 0096 0101 0106 0117",
        "2011_09_28": "0002",
        "2011_09_29": "0071",
        "2011_09_30": "0016 0018 0027",
        "2011_10_03": "0027 0047",
    }.items()
    for number in numbers.split()
)
"""The 28 drives from which Eigen et al. (NIPS 2014) took their test frames."""


class KittiRaw(VideoDataset):
    """Synced and rectified drives, camera 2 (left, colour).

    Args:
        root: Folder of the days' folders.
        split: ``train`` (drives without Eigen's test frames), ``test`` (drives with them), or
            ``all``; of the drives that were downloaded.
        classes: None: there are no class labels.

    Raises:
        DatasetError: No drive of the split is there.
    """

    about = About(
        name="kitti_raw",
        title="KITTI raw data (Geiger et al., 2013)",
        splits=("train", "test", "all"),
        taxonomies=(),
        license="CC BY-NC-SA 3.0",
        units={
            "depth": "metres along the optical axis by a Velodyne HDL-64E, the nearest return of a "
            "pixel; unknown elsewhere",
            "motion": "boxes of the tracklets that move in the world by over 0.7 m/s, filled to "
            "the convex hull of their corners",
        },
        where="https://www.cvlibs.net/datasets/kitti/raw_data.php",
        layout=(
            "DAY/calib_cam_to_cam.txt, calib_velo_to_cam.txt, calib_imu_to_velo.txt",
            "DAY/DAY_drive_NNNN_sync/image_02/data/FFFFFFFFFF.png",
            "DAY/DAY_drive_NNNN_sync/velodyne_points/data/FFFFFFFFFF.bin",
            "DAY/DAY_drive_NNNN_sync/oxts/data/FFFFFFFFFF.txt",
            "DAY/DAY_drive_NNNN_sync/tracklet_labels.xml (not of all drives)",
        ),
        parts=(),
        limits=(
            "Tracklets name cars, vans, trucks, trams, pedestrians, sitting people, cyclists and "
            "misc in the camera's view near the vehicle; what moves without a tracklet reads as "
            "static.",
            "A box's hull covers some background around the object and in front of it.",
            "A box in one frame only, or a drive without tracklets, gives no motion.",
            "The scanner turns in 0.1 s: returns of fast objects lie beside their pixels.",
        ),
    )
    fps = FRAMES_A_SECOND
    per_sequence = (
        Part("velodyne_points/data", "depth", "[synced+rectified data]"),
        Part("oxts/data", "poses", "[synced+rectified data]"),
        Part("tracklet_labels.xml", "motion", "[tracklets]"),
    )

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        self.sequences = []
        for folder in sorted(self.root.glob("*/*_sync")):
            chosen = split == "all" or (folder.name in EIGEN_TEST_DRIVES) == (split == "test")
            files = sorted((folder / "image_02" / "data").glob("*.png"))
            if chosen and files:
                self.sequences.append((folder.name, files))
        if not self.sequences:
            raise self.missing(
                self.root / "DAY/DAY_drive_NNNN_sync/image_02/data",
                f"a drive of the split {split}",
                "[synced+rectified data] and [calibration]",
            )

    def folder(self, sequence: int) -> Path:
        return self.sequences[sequence][1][0].parents[2]

    def intrinsics(self, sequence: int) -> NDArray[np.float64] | None:
        return self._calibration(sequence).intrinsics

    def read(self, sequence: int, position: int) -> Frame:
        file = self.sequences[sequence][1][position]
        folder, number = file.parents[2], int(file.stem)
        image = read_rgb(file)
        size = image.shape[0], image.shape[1]
        calibration = self._calibration(sequence)
        depth = motion = pose = None
        scan = folder / "velodyne_points" / "data" / f"{file.stem}.bin"
        if scan.is_file():  # some drives lack the scans of a few frames
            depth = sparse_depth(_points(scan), calibration, size)
        if (folder / "oxts" / "data").is_dir():
            T_world_velo = _world_from_velo(folder)
            if number >= len(T_world_velo):
                path = folder / "oxts" / "data" / f"{file.stem}.txt"
                raise self.missing(path, "a frame's pose", "[synced+rectified data]")
            pose = T_world_velo[number] @ calibration.T_velo_camera
            if (folder / "tracklet_labels.xml").is_file():
                tracklets = _tracklets(folder)
                motion = motion_mask(tracklets, number, T_world_velo, calibration, size)
        return Frame(image, depth=depth, motion=motion, pose=pose)

    def _calibration(self, sequence: int) -> Calibration:
        day = self.sequences[sequence][1][0].parents[3]
        for name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt", "calib_imu_to_velo.txt"):
            if not (day / name).is_file():
                raise self.missing(day / name, "the day's calibration", "[calibration]")
        return _calibration(day)


# As many drives are read at once as there are threads, and each is wanted for every frame of it.
_calibration = lru_cache(maxsize=8)(Calibration.read)


@lru_cache(maxsize=64)
def _tracklets(folder: Path) -> tuple[Tracklet, ...]:
    return tuple(read_tracklets(folder / "tracklet_labels.xml"))


@lru_cache(maxsize=64)
def _world_from_velo(folder: Path) -> tuple[Matrix, ...]:
    files = sorted((folder / "oxts" / "data").glob("*.txt"))
    try:
        oxts = [np.array(read_lines(file)[0].split()[:6], np.float64) for file in files]
    except (IndexError, ValueError) as error:
        raise DatasetError(f"a file in {folder}/oxts/data is not KITTI's: {error}") from error
    if not oxts:
        raise DatasetError(f"{folder}/oxts/data holds no .txt")
    T_imu_velo = np.linalg.inv(_calibration(folder.parent).T_velo_imu)
    return tuple(T_world_imu @ T_imu_velo for T_world_imu in world_from_imu(oxts))


def _points(scan: Path) -> Matrix:
    """Points of a scan in metres, float64 [N, 3]; the file holds x, y, z and reflectance."""
    values = np.fromfile(scan, np.float32)
    if values.size % 4:
        raise DatasetError(f"{scan} is damaged: its length is no multiple of 16 bytes")
    return values.reshape(-1, 4)[:, :3].astype(np.float64)
