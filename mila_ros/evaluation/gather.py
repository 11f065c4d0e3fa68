# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``mila evaluate`` is to play, by its options; simulated clips are rendered first."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mila_ros.progress_bar import progress
from mila_ros.simulation.taxonomy import own_taxonomy
from mila_ros.streaming import Bundle

from .bag_sources import BagTruthSource, find_bags, open_bag_source
from .class_lists import TAXONOMIES
from .sources import STILLS_FPS, ClipSource, find_clips


@contextmanager
def cache_folder(arguments: argparse.Namespace) -> Iterator[Path]:
    """The folder for rendered clips."""
    if arguments.cache is not None or arguments.simulated is None:
        yield arguments.cache or Path()
        return
    with tempfile.TemporaryDirectory(prefix="mila_evaluate_") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class SimulatedClips:
    """What each clip of a simulated world will be like once it is rendered.

    Attributes:
        world: The world.
        length: Frames.
        fps: Frames a second.
    """

    world: str
    length: int
    fps: float

    @property
    def name(self) -> str:
        return f"the simulated world {self.world}"

    @property
    def classes(self) -> tuple[str, ...]:
        return own_taxonomy(self.world).classes

    @property
    def stills(self) -> bool:
        return self.fps <= STILLS_FPS

    def __len__(self) -> int:
        return self.length


def given(
    arguments: argparse.Namespace, bundle: Bundle
) -> tuple[list[ClipSource], list[BagTruthSource], dict[str, Any]]:
    """The clips and the bags that are there, and what is to be said about them.

    Raises:
        MilaError: One of them cannot be used.
    """
    clips = find_clips(arguments.clips)
    classes = TAXONOMIES[arguments.bag_classes].classes if arguments.bag_classes else ()
    names = [label.name for label in bundle.labels]
    bags = [
        open_bag_source(
            path, names, classes=classes, topic=arguments.topic, tolerance_s=arguments.tolerance
        )
        for path in find_bags(arguments.bags)
    ]
    settings: dict[str, Any] = {}
    if any(bag.classes and not bag.classes_given for bag in bags):
        settings["mask_ids"] = "the ids of masks that name no classes are taken for the model's"
    return clips, bags, settings


def planned(arguments: argparse.Namespace) -> list[SimulatedClips]:
    """The clips to simulate, before they are rendered; all of them are alike."""
    if arguments.simulated is None:
        return []
    return [SimulatedClips(arguments.simulated, arguments.frames, arguments.fps)]


def simulated(
    arguments: argparse.Namespace, bundle: Bundle, cache: Path
) -> tuple[list[ClipSource], dict[str, Any]]:
    """The simulated clips, rendered where the cache lacks them, and how they are made.

    Raises:
        MilaError: One of them cannot be rendered.
    """
    if arguments.simulated is None:
        return [], {}
    folder, made = _simulate(arguments, bundle, cache)
    return find_clips([folder / f"{seed:06d}" for seed in arguments.seeds]), {"simulated": made}


def _simulate(
    arguments: argparse.Namespace, bundle: Bundle, cache: Path
) -> tuple[Path, dict[str, Any]]:
    """Render the clips that the cache lacks; their folder, and how they are made."""
    from mila_ros.simulation.dataset import Recipe, check_seeds, write_clips

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
