# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clips and configurations small enough to train on in a test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from mila_ros.data.datasets.normals import encode_normals
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.clips import Clips, find_clips
from mila_ros.training.config import TrainingConfig
from mila_ros.training.config_file import parse_config
from mila_ros.training.labels import resolve_classes
from mila_ros.training.log import Log
from mila_ros.training.objectives import Objective
from mila_ros.training.samples import Batch, Sampler
from mila_ros.training.start import stage_network
from mila_ros.training.trainer import BEST, LAST, Trainer

CLASSES = ("road", "sky", "car")
MILA: dict[str, Any] = {
    "slow": "resnet18",
    "fast": "resnet18",
    "slow_width": 16,
    "fast_width": 16,
    "ceil_mode": False,
    "channels": 16,
    "decoder_channels": [16, 16],
    "attention_channels": 8,
    "window": 3,
    "se_reduction": 4,
}
ENCODER = {"encoder": "resnet18", "width": 16, "ceil_mode": False, "decoder_channels": [16, 16]}
STAGE: dict[str, Any] = {"batch": 2, "crop": [32, 64], "zoom": [0.9, 1.1], "learning_rate": 0.01}


def document(**changes: Any) -> dict[str, Any]:
    """Two stages of three steps of a tiny MILA, as YAML says it."""
    return {
        "name": "tiny",
        "network": {"name": "mila", "arguments": dict(MILA)},
        "classes": list(CLASSES),
        "tasks": {"segmentation": {}, "depth": {}, "motion": {}},
        "input": {"height": 32, "width": 64, "canonical_focal_px": 50.0},
        "stages": [
            {"name": "encoders", "objective": "frames", "steps": 3,
             "network": {"propagation": "none"}} | STAGE,
            {"name": "joint", "objective": "video", "steps": 3, "max_distance": 2} | STAGE,
        ],
        "optimizer": {"name": "adamw"},
        "precision": "fp32",
        "keyframe_every": 3,
        "validate_every": 2,
        "save_every": 2,
    } | changes  # fmt: skip


def small(**changes: Any) -> dict[str, Any]:
    """One stage of a network with one encoder."""
    return document(**{
        "network": {"name": "multi_task", "arguments": ENCODER},
        "stages": single_stage("frames", steps=4),
    } | changes)  # fmt: skip


def config(**changes: Any) -> TrainingConfig:
    return parse_config(document(**changes))


def single_stage(objective: str, **changes: Any) -> list[dict[str, Any]]:
    """One stage's entry."""
    return [{"name": "only", "objective": objective, "steps": 3} | STAGE | changes]


def write_clip(
    folder: Path,
    frames: int = 5,
    size: tuple[int, int] = (40, 72),
    classes: Sequence[str] = CLASSES,
    maps: Sequence[str] = ("segmentation", "depth", "motion"),
    labelled: Sequence[int] | None = None,
    fps: float = 10.0,
    focal: float = 60.0,
    seed: int = 0,
) -> Path:
    """A clip whose maps follow from its images: frame n has the red value 10 n at the top left.

    The left half is a wall of class 0, ``2 + n`` metres away, the right half of class 2 and moving,
    4 metres away; normals look to the left.
    """
    height, width = size
    rng = np.random.default_rng(seed)
    for kind in ("image", "label", "depth", "motion", "normals", "edges"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    left = np.zeros(size, bool)
    left[:, : width // 2] = True
    texture = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    for n in range(frames):
        image = np.where(left[..., None], texture, 255 - texture).astype(np.uint8)
        image[0, 0, 0] = 10 * n
        _write(folder / "image", n, image[..., ::-1])
        if labelled is not None and n not in labelled:
            continue
        if "segmentation" in maps:
            _write(folder / "label", n, np.where(left, 0, 2).astype(np.uint8))
        if "depth" in maps:
            _write(folder / "depth", n, np.where(left, 256 * (2 + n), 1024).astype(np.uint16))
        if "motion" in maps:
            _write(folder / "motion", n, np.where(left, 0, 255).astype(np.uint8))
        if "normals" in maps:
            normals = np.broadcast_to(np.float32([-0.6, 0.0, -0.8]), (*size, 3))
            _write(folder / "normals", n, encode_normals(normals)[..., ::-1])
        if "edges" in maps:
            edges = np.zeros(size, np.uint8)
            edges[:, width // 2] = 1
            _write(folder / "edges", n, edges)
    (folder / "labels.json").write_text(json.dumps({"classes": list(classes), "void": 255}))
    camera = {
        "width": width, "height": height, "fps": fps, "depth": "uint16, metres * 256, 0 = unknown",
        "K": [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]],
    }  # fmt: skip
    (folder / "camera.json").write_text(json.dumps(camera))
    return folder


def _write(folder: Path, number: int, picture: np.ndarray) -> None:
    cv2.imwrite(str(folder / f"{number:06d}.png"), picture)


def open_clips(
    *folders: Path,
    classes: str | Sequence[str] = CLASSES,
    tasks: Sequence[str] = ("segmentation", "depth", "motion"),
) -> Clips:
    return Clips(find_clips(folders), resolve_classes(classes), tasks)


def objective(wanted: TrainingConfig, stage: int = 0, example: Any = None) -> Objective:
    network, _ = stage_network(wanted, stage, None)
    weights = torch.tensor([0.5, 1.5, 1.0])
    classes = resolve_classes(wanted.classes)
    return Objective(network, wanted, wanted.stages[stage], classes, weights, example)


def batch_of(root: Path, wanted: TrainingConfig, stage: int = 0) -> Batch:
    clips = open_clips(root, tasks=list(wanted.learned))
    return Sampler(clips, wanted.stages[stage], 50.0, 3).make(0)


def train(wanted: TrainingConfig, root: Path, out: Path, until: Any = None, **more: Any) -> bool:
    out.mkdir(parents=True, exist_ok=True)
    clips = open_clips(root, tasks=list(wanted.learned))
    trainer = Trainer(wanted, clips, out, torch.device("cpu"), log=Log(out), **more)
    return trainer.run(until or (lambda: False))


def lines(out: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock."""
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    times = ("samples_per_s", "waiting_for_data")
    return [{k: v for k, v in line.items() if k not in times} for line in found]


def assert_same(first: Path, second: Path, names: tuple[str, ...] = (LAST, BEST)) -> None:
    for name in names:
        old, new = load_checkpoint(first / name), load_checkpoint(second / name)
        assert_equal(old, new, name)
    assert lines(first) == lines(second)


def assert_equal(old: Any, new: Any, where: str) -> None:
    if isinstance(old, Tensor):
        assert torch.equal(old, new), where
    elif isinstance(old, Mapping):
        assert list(old) == list(new), where
        for key in old:
            assert_equal(old[key], new[key], f"{where} {key}")
    elif isinstance(old, list | tuple):
        assert len(old) == len(new), where
        for pair in zip(old, new, strict=True):
            assert_equal(*pair, where)
    else:
        assert old == new, where
