# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What must hold between and within the values of a configuration."""

from __future__ import annotations

import re

from ..errors import MilaError
from .config import OBJECTIVES, OPTIMIZERS, StageConfig, TrainingConfig

_ENCODERS = ("slow", "fast", "encoder", "encoders")


def check_config(config: TrainingConfig, where: str) -> None:
    """Refuse what no training can be made of.

    Raises:
        MilaError: Naming the first value that does not fit.
    """
    names = [stage.name for stage in config.stages]
    rules = [
        (re.fullmatch("[a-z][a-z0-9_]*", config.name) is not None,
         "name: lower-case letters, digits and underscores, please"),
        (bool(config.tasks), "name at least one task under tasks"),
        (bool(config.stages), "name at least one stage under stages"),
        (len(set(names)) == len(names), "each of the stages needs a name of its own"),
        (set(config.network) <= {"name", "arguments"} and "name" in config.network,
         "network needs a name, and may have arguments"),
        (not set(config.tasks) & set(config.auxiliary),
         "a task is either under tasks or under auxiliary"),
        ("segmentation" not in config.auxiliary, "segmentation cannot be auxiliary"),
        ("name" in config.weighting, "weighting needs a name"),
        (config.precision in ("fp32", "bf16"), "precision must be fp32 or bf16"),
        (set(config.start) <= set(_ENCODERS),
         f"start names weights for {', '.join(_ENCODERS)} only"),
        (config.seed >= 0, "seed must be 0 or more"),
    ]  # fmt: skip
    for number in ("keyframe_every", "epoch_steps", "validate_every", "save_every"):
        rules.append((getattr(config, number) >= 1, f"{number} must be 1 or more"))
    rules += _input_rules(config) + _optimizer_rules(config)
    for n, stage in enumerate(config.stages):
        rules += [(fine, f"stages.{n}.{sentence}") for fine, sentence in _stage_rules(stage)]
        rules.append(
            (not stage.task_adversarial or config.precision == "fp32",
             f"stages.{n}.task_adversarial needs precision: fp32, for it differentiates twice")
        )  # fmt: skip
    for fine, sentence in rules:
        if not fine:
            raise MilaError(f"{where}: {sentence}")


def _input_rules(config: TrainingConfig) -> list[tuple[bool, str]]:
    picture = config.input
    return [
        (all(side >= 32 and side % 8 == 0 for side in (picture.height, picture.width)),
         "input.height and input.width must be multiples of 8, 32 or more"),
        (min(picture.std) > 0, "input.std must be over 0"),
        (picture.canonical_focal_px > 0, "input.canonical_focal_px must be over 0"),
        (0 < picture.min_m < picture.max_m, "input.min_m must be over 0 and under max_m"),
        (0 < picture.assumed_hfov_deg < 180, "input.assumed_hfov_deg must be within 0 and 180"),
        (0 < picture.motion_threshold < 1, "input.motion_threshold must be within 0 and 1"),
    ]  # fmt: skip


def _optimizer_rules(config: TrainingConfig) -> list[tuple[bool, str]]:
    how = config.optimizer
    return [
        (how.name in OPTIMIZERS, f"optimizer.name is one of {', '.join(OPTIMIZERS)}"),
        (all(0 <= beta < 1 for beta in how.betas), "optimizer.betas must be from 0 to under 1"),
        (0 <= how.momentum < 1, "optimizer.momentum must be from 0 to under 1"),
        (how.weight_decay >= 0, "optimizer.weight_decay must be 0 or more"),
        (how.max_gradient_norm >= 0, "optimizer.max_gradient_norm must be 0 or more"),
        (0 <= how.average < 1, "optimizer.average must be from 0, for none, to under 1"),
    ]


def _stage_rules(stage: StageConfig) -> list[tuple[bool, str]]:
    weights = ("l1", "adversarial", "distill")
    return [
        (stage.objective in OBJECTIVES, f"objective is one of {', '.join(OBJECTIVES)}"),
        (stage.decay in ("cosine", "constant"), "decay must be cosine or constant"),
        (stage.batch_norm in ("train", "fixed"), "batch_norm must be train or fixed"),
        (stage.steps >= 1, "steps must be 1 or more"),
        (stage.batch >= 1, "batch must be 1 or more"),
        (stage.learning_rate > 0, "learning_rate must be over 0"),
        (0 <= stage.warm_up <= 1, "warm_up is a share, 0 to 1"),
        (0 < stage.zoom[0] <= stage.zoom[1], "zoom is smallest, then largest, over 0"),
        (all(side >= 32 and side % 8 == 0 for side in stage.crop),
         "crop must be multiples of 8, 32 or more"),
        (all(0.2 <= aspect <= 5 for aspect in stage.aspects),
         "aspects must be from 0.2 to 5, widths over heights"),
        (0 <= stage.lonely <= 1, "lonely is a share, 0 to 1"),
        (0 <= stage.still <= 1, "still is a share, 0 to 1"),
        (stage.max_distance >= 1, "max_distance must be 1 or more"),
        (0 <= stage.task_adversarial < 1, "task_adversarial is a share, 0 to under 1"),
        *((getattr(stage, key) >= 0, f"{key} must be 0 or more") for key in weights),
    ]  # fmt: skip
