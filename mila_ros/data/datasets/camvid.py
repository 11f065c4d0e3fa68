# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid (Brostow et al., ECCV 2008): 701 annotated frames of five drives, 960x720.

Labels are colours of 32 classes, merged to the 11 of SegNet (Badrinarayanan et al., 2015), whose
split this is: 367 frames for training, 101 for validation, 233 for tests.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from mila_ros.data.datasets.base import About, Clip, Dataset, Frame, Part
from mila_ros.data.datasets.files import color_ids, read_channels, read_rgb
from mila_ros.data.datasets.labels import CAMVID11, VOID

CLASSES32 = {
    "Animal": ((64, 128, 64), "pedestrian"),
    "Archway": ((192, 0, 128), "building"),
    "Bicyclist": ((0, 128, 192), "bicyclist"),
    "Bridge": ((0, 128, 64), "building"),
    "Building": ((128, 0, 0), "building"),
    "Car": ((64, 0, 128), "car"),
    "CartLuggagePram": ((64, 0, 192), "pedestrian"),
    "Child": ((192, 128, 64), "pedestrian"),
    "Column_Pole": ((192, 192, 128), "pole"),
    "Fence": ((64, 64, 128), "fence"),
    "LaneMkgsDriv": ((128, 0, 192), "road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Misc_Text": ((128, 128, 64), "sign"),
    "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
    "OtherMoving": ((128, 64, 64), "car"),
    "ParkingBlock": ((64, 192, 128), "pavement"),
    "Pedestrian": ((64, 64, 0), "pedestrian"),
    "Road": ((128, 64, 128), "road"),
    "RoadShoulder": ((128, 128, 192), "pavement"),
    "Sidewalk": ((0, 0, 192), "pavement"),
    "SignSymbol": ((192, 128, 128), "sign"),
    "Sky": ((128, 128, 128), "sky"),
    "SUVPickupTruck": ((64, 128, 192), "car"),
    "TrafficCone": ((0, 0, 64), "pole"),
    "TrafficLight": ((0, 64, 64), "sign"),
    "Train": ((192, 64, 128), "car"),
    "Tree": ((128, 128, 0), "tree"),
    "Truck_Bus": ((192, 128, 192), "car"),
    "Tunnel": ((64, 0, 64), "building"),
    "VegetationMisc": ((192, 192, 0), "tree"),
    "Void": ((0, 0, 0), None),
    "Wall": ((64, 192, 0), "building"),
}
"""Colour and CamVid-11 class of each of the 32."""

_NAME = re.compile(r"(?P<drive>\w+?)_(?P<letter>f?)(?P<number>\d+)")


def split_of(name: str) -> str:
    """The split of a still such as ``0016E5_07959``; SegNet's lists follow this rule."""
    match = _NAME.fullmatch(name)
    drive, number = (match["drive"], int(match["number"])) if match else ("", 0)
    if drive == "Seq05VD" or (drive == "0001TP" and number > 8520):
        return "test"
    # The part of 0016E5 that is annotated at 15 Hz.
    return "val" if drive == "0016E5" and 7959 <= number <= 8159 and number % 2 else "train"


class CamVid(Dataset):
    """CamVid's stills and labels.

    Args:
        root: Folder of the unpacked archives.
        split: ``train``, ``val`` or ``test``.
        classes: ``camvid11``.

    Raises:
        DatasetError: A folder is missing.
    """

    about = About(
        name="camvid",
        title="CamVid (Brostow et al., 2008)",
        splits=("train", "val", "test"),
        taxonomies=(CAMVID11,),
        license="its page states none; given for research, to be cited",
        units={"label": "colours of 32 classes, drawn by people, merged to 11"},
        where="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        layout=(
            "701_StillsRaw_full/NAME.png",
            "LabeledApproved_full/NAME_L.png",
            "frames/NAME.png or .jpg (frames of the videos, numbered as the stills are: "
            "0001TP_006689 lies before the still 0001TP_006690)",
        ),
        parts=(
            Part("701_StillsRaw_full", "image", "701_StillsRaw_full.zip (557 MB)", True),
            Part("LabeledApproved_full", "label", "LabeledApproved_full.zip (16 MB)", True),
            Part("frames", "frames before", "the videos (each some GB), cut into frames"),
        ),
        limits=(
            "A frame in 30 is annotated (in a part of 0016E5 every second one).",
            "The videos are not cut into frames by their authors; number them as the stills are.",
        ),
    )
    fps = 30.0

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        stills = sorted(file.stem for file in (self.root / "701_StillsRaw_full").glob("*.png"))
        self.names = [name for name in stills if split_of(name) == split]
        if not self.names:
            raise self.missing(
                self.root / "701_StillsRaw_full" / "*.png",
                f"stills of the split {split}",
                self.archive("image"),
            )
        self._colors = np.array([color for color, _ in CLASSES32.values()], np.uint8)
        self._table = np.full(256, VOID, np.uint8)
        for index, (_, name) in enumerate(CLASSES32.values()):
            if name is not None:
                self._table[index] = CAMVID11.id(name)

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, index: int) -> Frame:
        name = self.names[index]
        path = self.root / "LabeledApproved_full" / f"{name}_L.png"
        if not path.is_file():
            raise self.missing(path, "a still's label", self.archive("label"))
        ids = color_ids(read_channels(path, np.uint8), self._colors)
        return Frame(
            read_rgb(self.root / "701_StillsRaw_full" / f"{name}.png"), label=self._table[ids]
        )

    def clip(self, index: int, before: int = 9) -> Clip:
        """As `Dataset.clip`; the frames that lie in ``frames`` without a gap."""
        name = self.names[index]
        match = _NAME.fullmatch(name)
        readers = [partial(self.frame, index)]
        for back in range(1, before + 1 if match and self.has("frames before") else 1):
            assert match is not None
            digits = f"{int(match['number']) - back:0{len(match['number'])}d}"
            stem = self.root / "frames" / f"{match['drive']}_{match['letter']}{digits}"
            files = [Path(f"{stem}{suffix}") for suffix in (".png", ".jpg")]
            file = next((file for file in files if file.is_file()), None)
            if file is None:
                break
            readers.insert(0, partial(_unlabelled, file))
        return Clip(name, tuple(readers), (len(readers) - 1,), self.fps)


def _unlabelled(path: Path) -> Frame:
    return Frame(read_rgb(path))
