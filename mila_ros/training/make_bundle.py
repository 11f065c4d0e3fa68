# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a model bundle of what the plain trainer left, with the accuracy measured on other clips.

``python -m mila_ros.training.make_bundle --checkpoint WORK/last.pt --clips TEST --out BUNDLE``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..data.clip_folder import ClipFolder
from ..evaluation.clips import evaluate_clips
from ..networks import build_network
from ..streaming import EveryN, Perception, save_bundle
from .plain import CANONICAL_FOCAL_PX, MEAN, NETWORK, STD, TASKS

# CamVid's eleven classes and colours as people know them from Cityscapes.
LABELS = (
    ("sky", (70, 130, 180)),
    ("building", (70, 70, 70)),
    ("pole", (153, 153, 153)),
    ("road", (128, 64, 128)),
    ("pavement", (244, 35, 232)),
    ("tree", (107, 142, 35)),
    ("sign", (220, 220, 0)),
    ("fence", (190, 153, 153)),
    ("car", (0, 0, 142)),
    ("pedestrian", (220, 20, 60)),
    ("bicyclist", (255, 110, 0)),
)
KEYFRAME_INTERVALS = (1, 5, 10)


def description(name: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``model.json`` without weights and accuracy."""
    return {
        "format_version": 1,
        "name": name,
        "network": {"name": "mila", "arguments": NETWORK},
        "tasks": [
            {"name": task.name, "channels": task.channels, "activation": task.activation}
            for task in TASKS
        ],
        "labels": [
            {"id": number, "name": label, "color": list(color)}
            for number, (label, color) in enumerate(LABELS)
        ],
        "input": {"height": 256, "width": 512, "mean": list(MEAN), "std": list(STD)},
        "depth": {
            "metric": True,
            "min_m": 0.5,
            "max_m": 100.0,
            "canonical_focal_px": CANONICAL_FOCAL_PX,
            "assumed_hfov_deg": 75.0,
        },
        "motion": {"threshold": 0.5},
        "keyframes": {"every": 5},
        "training": dict(training),
        "accuracy": {},
    }


def measure(bundle: Path, clips: list[ClipFolder]) -> dict[str, Any]:
    """Metrics per keyframe interval K, and at the model's own K by keyframe age and by class."""
    accuracy: dict[str, Any] = {}
    for interval in KEYFRAME_INTERVALS:
        perception = Perception.load(bundle, device="auto", keyframes=EveryN(interval))
        result = _rounded(evaluate_clips(perception, clips))
        accuracy[f"keyframe_every_{interval}"] = result["all"]
        if interval == perception.bundle.keyframe_every:
            accuracy["by_keyframe_age"] = {k: v for k, v in result.items() if k.startswith("age_")}
            accuracy["class_iou"] = result["class_iou"]
        print(json.dumps({f"keyframe_every_{interval}": result["all"]}), flush=True)
    return accuracy


def _rounded(result: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """Four digits, and None for what JSON has no number for."""
    return {
        key: {k: None if v != v else round(v, 4) for k, v in values.items()}
        for key, values in result.items()
    }


def main() -> None:
    """Parse the command line, write the bundle, measure it, write it again with the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True, help="clips to measure on")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--training", type=json.loads, default={}, help="provenance, as JSON")
    parser.add_argument("--measured-on", default="", help="what the clips are, for the record")
    arguments = parser.parse_args()
    saved = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    network = build_network("mila", TASKS, **NETWORK)
    network.load_state_dict(saved["network"])
    content = description(arguments.out.name, {"steps": saved["step"]} | arguments.training)
    save_bundle(arguments.out, network, content)
    clips = [ClipFolder.open(path.parent) for path in sorted(arguments.clips.glob("*/camera.json"))]
    content["accuracy"] = {"measured_on": arguments.measured_on} | measure(arguments.out, clips)
    save_bundle(arguments.out, network, content)


if __name__ == "__main__":
    main()
