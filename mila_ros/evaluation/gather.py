# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``mila evaluate`` is to play, by its options; simulated clips are rendered first."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mila_ros.progress_bar import progress
from mila_ros.streaming import Bundle

from .bag_sources import find_bags, open_bag_source
from .class_lists import TAXONOMIES
from .sources import LabelledSource, find_clips


@contextmanager
def cache_folder(arguments: argparse.Namespace) -> Iterator[Path]:
    """The folder for rendered clips."""
    if arguments.cache is not None or arguments.simulated is None:
        yield arguments.cache or Path()
        return
    with tempfile.TemporaryDirectory(prefix="mila_evaluate_") as folder:
        yield Path(folder)


def gather(
    arguments: argparse.Namespace, bundle: Bundle, cache: Path
) -> tuple[list[LabelledSource], dict[str, Any]]:
    """What to play, and what is to be said about it."""
    settings: dict[str, Any] = {}
    clips = list(arguments.clips)
    if arguments.simulated is not None:
        folder, settings["simulated"] = _simulate(arguments, bundle, cache)
        seeds = arguments.seeds
        clips += [folder / f"{seed:06d}" for seed in seeds]
    sources: list[LabelledSource] = [*find_clips(clips)]
    given = TAXONOMIES[arguments.bag_classes].classes if arguments.bag_classes else ()
    names = [label.name for label in bundle.labels]
    for path in find_bags(arguments.bags):
        bag = open_bag_source(
            path, names, classes=given, topic=arguments.topic, tolerance_s=arguments.tolerance
        )
        if bag.classes and not bag.classes_given:
            settings["mask_ids"] = "the ids of masks that name no classes are taken for the model's"
        sources.append(bag)
    return sources, settings


def _simulate(
    arguments: argparse.Namespace, bundle: Bundle, cache: Path
) -> tuple[Path, dict[str, Any]]:
    """Render the clips that the cache lacks; their folder, and how they are made."""
    from mila_ros.simulation.dataset import Recipe, check_seeds, write_clips
    from mila_ros.simulation.taxonomy import own_taxonomy

    tasks = bundle.task_names
    wanted = {"flow": "segmentation" in tasks, "normals": "normals" in tasks}
    extras = tuple(sorted(name for name, is_wanted in wanted.items() if is_wanted))
    width, height = arguments.size or (bundle.input.width, bundle.input.height)
    recipe = Recipe(
        world=arguments.simulated, frames=arguments.frames, fps=arguments.fps,
        width=width, height=height, classes=own_taxonomy(arguments.simulated).name, extras=extras,
    )  # fmt: skip
    seeds = arguments.seeds
    split = check_seeds(seeds)
    name = f"{recipe.world}_{width}x{height}_{recipe.frames}f_{recipe.fps:g}fps"
    folder = cache / "_".join([name, *extras])
    with progress("clip", len(seeds)) as bar:
        for _ in write_clips(recipe, seeds, folder, arguments.jobs):
            bar.update(1)
    described = {
        "world": recipe.world, "seeds": f"{seeds[0]}-{seeds[-1]}", "split": split,
        "frames": recipe.frames, "fps": recipe.fps, "size": f"{width}x{height}",
    }  # fmt: skip
    return folder, described
