# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The models that come with the package: they load, are small, and their cards say what is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mila_ros.streaming import Perception

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "models").iterdir())
MAX_MB, MAX_MB_OF_ALL = 30, 60


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def test_they_are_small_enough_for_a_repository() -> None:
    assert {model.name for model in MODELS} >= {"mila_street", "mila_rooms"}
    assert all(megabytes(model) < MAX_MB for model in MODELS)
    assert megabytes(ROOT / "models") < MAX_MB_OF_ALL


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_loads_by_its_name_and_answers_an_image(model: Path) -> None:
    perception = Perception.load(model.name, device="cpu", precision="fp32")
    assert perception.bundle.name == model.name
    assert perception.bundle.task_names == ("segmentation", "depth", "motion")
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for number in range(2):
        frame = perception.step(image, stamp_ns=number * 50_000_000)
        assert frame.segmentation.max() < len(perception.bundle.labels)
        assert not np.isnan(frame.depth).any()
        assert set(np.unique(frame.motion)) <= {0, 255}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_card_states_what_was_measured(model: Path) -> None:
    accuracy = json.loads((model / "model.json").read_text())["accuracy"]
    card = (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    for interval in (1, 5, 10):
        figures = accuracy[f"keyframe_every_{interval}"]
        row = next(line for line in card.splitlines() if line.startswith(f"| {interval} | "))
        stated = [float(cell) for cell in row.split("|")[2:] if re.fullmatch(r" \d\.\d{3} ", cell)]
        for metric in ("segmentation/miou", "depth/rel_error", "motion/iou"):
            assert min(abs(figures[metric] - figure) for figure in stated) < 6e-4, metric
    assert (model / "training_log.jsonl").read_text().count("\n") > 10
