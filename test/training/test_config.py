# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations: what is taken, and the sentence for what is not."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from training_bench import config, document

from mila_ros.errors import MilaError
from mila_ros.training.bundles import described
from mila_ros.training.config import (
    InputConfig,
    OptimizerConfig,
    StageConfig,
    TaskConfig,
    TrainingConfig,
    differences,
)
from mila_ros.training.config_file import load_config, parse_config
from mila_ros.training.labels import resolve_classes
from mila_ros.training.objectives import Objective
from mila_ros.training.start import random_network

ROOT = Path(__file__).resolve().parents[2]
RECORDS = (TrainingConfig, TaskConfig, InputConfig, StageConfig, OptimizerConfig)


def file(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_configuration_survives_its_own_words() -> None:
    first = config()
    assert parse_config(first.as_dict()) == parse_config(parse_config(first.as_dict()).as_dict())
    assert differences(first.as_dict(), parse_config(first.as_dict()).as_dict()) == []


def test_what_comes_along_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("mila_rooms")).name == "mila_rooms"
    (tmp_path / "mila_rooms").write_text("- mine")
    with pytest.raises(MilaError, match="mila_rooms must be keys and values"):
        load_config(Path("mila_rooms"))


def test_overrides_reach_everywhere(tmp_path: Path) -> None:
    path = file(tmp_path, document())
    loaded = load_config(path, [
        "stages.1.steps=7", "stages.0.learning_rate=1e-4", "network.arguments.window=5",
        "tasks.depth.loss=l1", "tasks.motion.arguments.moving_weight=2",
        "optimizer={name: sgd, momentum: 0.5}", "weighting.name=gls", "input.max_m=40",
    ])  # fmt: skip
    assert loaded.stages[1].steps == 7
    assert loaded.stages[0].learning_rate == 1e-4
    assert loaded.network["arguments"]["window"] == 5
    assert loaded.tasks["depth"].loss == "l1"
    assert loaded.tasks["motion"].arguments == {"moving_weight": 2}
    assert (loaded.optimizer.name, loaded.optimizer.momentum) == ("sgd", 0.5)
    assert loaded.weighting == {"name": "gls"}
    assert loaded.input.max_m == 40.0


def test_what_a_file_leaves_out_is_the_bundles(tmp_path: Path) -> None:
    content = document(input={"height": 64, "width": 64})
    del content["network"], content["tasks"]
    given = {"network": {"name": "multi_task"}, "tasks": {"depth": {}}, "input": {"height": 8}}
    loaded = load_config(file(tmp_path, content), ["network.arguments.width=16"], given)
    assert loaded.network == {"name": "multi_task", "arguments": {"width": 16}}
    assert list(loaded.tasks) == ["depth"] and loaded.input.height == 64
    assert given["network"] == {"name": "multi_task"}


WRONG: list[tuple[str, str]] = [
    ("nam=x", "there is no nam; did you mean name"),
    ("zebra=1", "there is no zebra; there are name, network, tasks"),
    ("stages.0.step=1", "stages.0: there is no step; did you mean steps"),
    ("input.widht=8", "input: there is no widht; did you mean width"),
    ("name=My Model", "name: lower-case letters"),
    ("name=3", "name must be a text, not 3"),
    ("tasks={}", "name at least one task"),
    ("tasks=[depth]", "tasks must be keys and values"),
    ("stages=[]", "name at least one stage"),
    ("stages=3", "stages must be a list, not 3"),
    ("stages.0={}", "stages.0: name is missing"),
    ("stages.1.name=encoders", "each of the stages needs a name of its own"),
    ("network={arguments: {}}", "network needs a name"),
    ("auxiliary={depth: {}}", "either under tasks or under auxiliary"),
    ("weighting={}", "weighting needs a name"),
    ("precision=fp8", "precision must be fp32 or bf16"),
    ("start={middle: x}", "start names weights for slow, fast, encoder, encoders only"),
    ("seed=-1", "seed must be 0 or more"),
    ("seed=1.5", "seed must be a whole number, not 1.5"),
    ("seed=true", "seed must be a whole number, not True"),
    ("keyframe_every=0", "keyframe_every must be 1 or more"),
    ("epoch_steps=0", "epoch_steps must be 1 or more"),
    ("input.height=100", "input.height and input.width must be multiples of 8"),
    ("input.std=[1, 1]", "input: std must be 3 values, not 2"),
    ("input.std=[1, 1, 0]", "input.std must be over 0"),
    ("input.canonical_focal_px=0", "canonical_focal_px must be over 0"),
    ("input.max_m=.inf", "max_m must be a number, not inf"),
    ("input.max_m=0.1", "min_m must be over 0 and under max_m"),
    ("input.assumed_hfov_deg=180", "assumed_hfov_deg must be within 0 and 180"),
    ("input.motion_threshold=1", "motion_threshold must be within 0 and 1"),
    ("optimizer.name=adagrad", "optimizer.name is one of adam, adamw, sgd"),
    ("optimizer.betas=[0.9, 1]", "optimizer.betas must be from 0 to under 1"),
    ("optimizer.momentum=1", "optimizer.momentum must be"),
    ("optimizer.weight_decay=-1", "optimizer.weight_decay must be"),
    ("optimizer.max_gradient_norm=-1", "optimizer.max_gradient_norm must be"),
    ("optimizer.average=1", "optimizer.average must be"),
    ("stages.0.objective=films", "stages.0.objective is one of frames, pair, video"),
    ("stages.0.decay=linear", "stages.0.decay must be cosine or constant"),
    ("stages.0.batch_norm=off", "batch_norm must be a text, not False"),
    ("stages.0.batch_norm=frozen", "stages.0.batch_norm must be train or fixed"),
    ("stages.0.steps=0", "stages.0.steps must be 1 or more"),
    ("stages.0.batch=0", "stages.0.batch must be 1 or more"),
    ("stages.0.learning_rate=0", "stages.0.learning_rate must be over 0"),
    ("stages.0.learning_rate=fast", "learning_rate must be a number, not 'fast'"),
    ("stages.0.warm_up=2", "stages.0.warm_up is a share"),
    ("stages.0.zoom=[2, 1]", "stages.0.zoom is smallest, then largest"),
    ("stages.0.crop=[30, 64]", "stages.0.crop must be multiples of 8"),
    ("stages.0.aspects=[2.0, 16/9]", "stages.0: aspects must be a number, not '16/9'"),
    ("stages.0.aspects=[0]", "stages.0.aspects must be from 0.2 to 5"),
    ("stages.0.lonely=2", "stages.0.lonely is a share"),
    ("stages.0.still=-1", "stages.0.still is a share"),
    ("stages.0.max_distance=0", "stages.0.max_distance must be 1 or more"),
    ("stages.0.task_adversarial=1", "stages.0.task_adversarial is a share"),
    ("stages.0.distill=-1", "stages.0.distill must be 0 or more"),
    ("stages.7.steps=1", "--set stages.7.steps=1: there is no such place"),
    ("stages.0.steps.x=1", "there is no such place"),
    ("stages.0.steps", "write it as key=value"),
    ("name=[", r"--set name=\[: \[ is not YAML"),
]


@pytest.mark.parametrize(("override", "sentence"), WRONG)
def test_what_does_not_fit_is_named(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(MilaError, match=sentence):
        load_config(file(tmp_path, document()), [override])


def test_double_differentiation_needs_32_bits(tmp_path: Path) -> None:
    path = file(tmp_path, document())
    with pytest.raises(MilaError, match="task_adversarial needs precision: fp32"):
        load_config(path, ["stages.0.task_adversarial=0.1", "precision=bf16"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("", "must be keys and values, not None"),
        ("- 1", "must be keys and values"),
        ({"name": "x"}, "network is missing; give it, or a bundle with --start"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(MilaError, match=sentence):
        load_config(file(tmp_path, content))
    with pytest.raises(MilaError, match="none.yaml cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")


def test_segmentation_cannot_be_auxiliary() -> None:
    with pytest.raises(MilaError, match="segmentation cannot be auxiliary"):
        config(tasks={"depth": {}}, auxiliary={"segmentation": {}})


def test_differences_are_named_by_their_place() -> None:
    old, new = config().as_dict(), config(seed=3, input={"height": 64, "width": 64}).as_dict()
    new["stages"][1]["steps"] = 9
    found = differences(old, new)
    assert found == ["input.canonical_focal_px", "input.height", "seed", "stages.1.steps"]


@pytest.mark.parametrize("record", RECORDS)
def test_every_key_is_explained_where_it_is_defined_and_in_the_manual(record: type) -> None:
    manual = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    docstring = inspect.getdoc(record) or ""
    lines = docstring.split("Attributes:")[1].splitlines()
    entries: dict[str, str] = {}
    for line in lines:
        if line.startswith("    ") and not line.startswith("     "):
            name, _, text = line.strip().partition(": ")
            entries[name] = text
        elif line.strip():
            entries[name] += " " + line.strip()
    assert list(entries) == [field.name for field in fields(record)]
    for name, text in entries.items():
        assert f"| `{name}` | {text.replace('``', '`')} |" in manual, f"{record.__name__}.{name}"


def shipped() -> dict[str, dict[str, Any]]:
    """Every configuration that comes with the package, and every variant of the experiments."""
    found = {}
    for path in sorted((ROOT / "config" / "training").glob("*.yaml")):
        found[path.stem] = yaml.safe_load(path.read_text(encoding="utf-8"))
    experiment = yaml.safe_load((ROOT / "config/experiments/networks.yaml").read_text())
    for name, changes in experiment["variants"].items():
        variant = yaml.safe_load((ROOT / "config/training/compare.yaml").read_text())
        for key, value in changes.items():
            *parents, last = key.split(".")
            place = variant
            for parent in parents:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            place[last] = value
        found[f"compare {name}"] = variant
    return found


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_can_be_trained_and_run(name: str) -> None:
    import torch

    content = shipped()[name]
    if name == "fine_tune":  # the rest is the bundle's
        content = document() | content
    loaded = parse_config(content)
    classes = resolve_classes(loaded.classes)
    weights = torch.ones(len(classes.classes))
    for number, stage in enumerate(loaded.stages):
        described(loaded, number)
        with torch.device("meta"):
            network = random_network(loaded, number)
            example = random_network(loaded, number) if stage.distill else None
            Objective(network, loaded, stage, classes, weights, example)
