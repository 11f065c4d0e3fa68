# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' other networks: a training, its bundle, and what the bundle answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from training_bench import document, single_stage, write_clip

from mila_ros.cli import main
from mila_ros.data.clip_folder import ClipFolder
from mila_ros.streaming import Perception
from mila_ros.training.checkpoints import load_checkpoint
from mila_ros.training.config_file import parse_config
from mila_ros.training.start import stage_network
from mila_ros.training.trainer import LAST

ALL = ("segmentation", "depth", "motion", "normals", "edges")


@pytest.mark.parametrize(
    ("network", "tasks", "auxiliary", "objective"),
    [
        ("mti_net", ("segmentation", "edges"), ("normals",), "frames"),
        ("astmt", ("normals", "edges"), (), "frames"),
        ("multinet", ("segmentation", "motion"), (), "pair"),
    ],
)
def test_a_trained_network_streams_what_its_checkpoint_gives(
    tmp_path: Path, network: str, tasks: tuple[str, ...], auxiliary: tuple[str, ...], objective: str
) -> None:
    clip = write_clip(tmp_path / "clip", frames=3, maps=ALL, size=(32, 64))
    arguments: dict[str, dict[str, Any]] = {
        "mti_net": {"width": 16},
        "astmt": {"width": 16, "decoder_width": 16},
        "multinet": {"encoder": "resnet18", "width": 16},
    }
    wanted = document(
        network={"name": network, "arguments": arguments[network]},
        tasks={task: {} for task in tasks},
        auxiliary={task: {} for task in auxiliary},
        stages=single_stage(objective, steps=3),
    )
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
    words = ["--config", str(tmp_path / "config.yaml"), "--clips", str(clip)]
    assert main(["train", *words, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0

    perception = Perception.load(tmp_path / "out/tiny", device="cpu", threads=1)
    assert perception.bundle.network == network and perception.bundle.task_names == tasks
    checkpoint = load_checkpoint(tmp_path / "out" / LAST)
    exact, _ = stage_network(parse_config(wanted, "here"), 0, checkpoint["network"])
    exact.eval()
    mean, std = (torch.tensor(wanted["input"].get(k, v)).view(3, 1, 1) for k, v in (
        ("mean", [0.485, 0.456, 0.406]), ("std", [0.229, 0.224, 0.225])
    ))  # fmt: skip
    state = None
    for index in range(2):
        image = ClipFolder.open(clip).image(index)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
        with torch.inference_mode():
            logits, state = exact(((pixels - mean) / std)[None], state)
        frame = perception.step(image, stamp_ns=index + 1)
        # The bundle's weights are rounded to float16.
        if "segmentation" in tasks:
            ids = logits["segmentation"][0].argmax(0).numpy()
            assert (frame.segmentation == ids).mean() > 0.98
        if "motion" in tasks:
            moving = (logits["motion"][0, 1] > logits["motion"][0, 0]).numpy()
            assert ((frame.motion == 255) == moving).mean() > 0.98
        if "edges" in tasks:
            probability = logits["edges"][0, 0].sigmoid().numpy()
            np.testing.assert_allclose(frame.edges / 255, probability, atol=0.02)
        if "normals" in tasks:
            vectors = torch.nn.functional.normalize(logits["normals"][0], dim=0).permute(1, 2, 0)
            assert np.median((frame.normals * vectors.numpy()).sum(-1)) > 0.999
