# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny labelled clips and the command that evaluates on them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers import TINY_CLASSES

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.evaluation import command

CLASSES = tuple(f"class_{number}" for number in range(TINY_CLASSES))
WIDTH, HEIGHT = 128, 64
FOCAL_PX = 90.0


def make_clip(
    path: Path,
    frames: int = 5,
    seed: int = 0,
    classes: tuple[str, ...] = CLASSES,
    fps: float = 10.0,
    maps: tuple[str, ...] = ("label", "depth", "motion"),
) -> ClipFolder:
    """Noise, labelled at random; a fifth of each map is unknown. Depth as 1/256 m keeps it."""
    random = np.random.default_rng(seed)
    intrinsics = np.array([[FOCAL_PX, 0, 63.5], [0, FOCAL_PX, 31.5], [0, 0, 1]])
    size = (HEIGHT, WIDTH)
    with ClipWriter(
        path, fps=fps, intrinsics=intrinsics, classes=classes, jpeg_quality=None
    ) as writer:
        for _ in range(frames):
            unknown = random.random(size) < 0.2
            label = random.integers(0, len(classes), size).astype(np.uint8)
            depth = random.uniform(1, 70, size).astype(np.float32)
            motion = (random.random(size) < 0.3).astype(np.uint8) * 255
            known: dict[str, Any] = {
                "label": np.where(unknown, np.uint8(255), label),
                "depth": np.where(unknown, np.float32(np.nan), np.rint(depth * 256) / 256),
                "motion": np.where(unknown, np.uint8(127), motion),
            }
            image = random.integers(0, 256, (*size, 3)).astype(np.uint8)
            writer.add(image, **{kind: known[kind] for kind in maps})
    return ClipFolder.open(path)


def evaluate(*words: Any) -> dict[str, Any]:
    """Run the command with further options; the document that it writes."""
    parser = argparse.ArgumentParser()
    command.configure(parser)
    arguments = parser.parse_args([str(word) for word in words])
    assert command.run(arguments) == 0
    return json.loads(arguments.json.read_text()) if arguments.json else {}
