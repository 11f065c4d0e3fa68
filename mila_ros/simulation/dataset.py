# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes simulated clips to disk: a folder each, or a bag each, several at a time.

A clip appears under its name only when it is complete, so that an interrupted run is taken up
again by running it again: what is there already is kept, what was half written is made anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.datasets.normals import encode_normals
from mila_ros.data.unfinished import discard, unfinished
from mila_ros.errors import MilaError
from mila_ros.processes import WorkerLost, worker_processes
from mila_ros.simulation.recipe import Recipe
from mila_ros.simulation.splits import split_of
from mila_ros.simulation.taxonomy import WORLDS, lookup_table, own_taxonomy

RECIPE_FILE = "simulation.json"
_REVISION = 1
"""Counted up when the same seed begins to give another clip."""
_CLIPS_A_CRASH = 100
"""Rendering on a CPU has been seen to crash once in thousands of clips, by chance. What ends
processes more often than once in so many, such as want of memory, is for the user to know."""


def clip_path(out: Path, seed: int) -> Path:
    """Where the clip of a seed is."""
    return out / f"{seed:06d}"


def is_complete(out: Path, seed: int, recipe: Recipe) -> bool:
    """Whether the clip is there already.

    Raises:
        MilaError: Something else has its name: made by another recipe, or not by this package.
    """
    path = clip_path(out, seed)
    if not path.exists():
        return False
    try:
        found = json.loads((path / RECIPE_FILE).read_text())
    except (OSError, ValueError):
        found = None
    if found != _described(recipe, seed):
        raise MilaError(
            f"{path} exists and was made with other settings; choose another folder for --out, "
            "or remove it"
        )
    return True


def write_clip(recipe: Recipe, seed: int, out: Path) -> Path:
    """Simulate a clip and write it; it appears at `clip_path` when it is complete.

    Raises:
        MilaError: It cannot be rendered or written.
    """
    final = clip_path(out, seed)
    try:
        with unfinished(final) as content:
            if recipe.format == "bag":
                from mila_ros.simulation.bag import write_bag as write
            else:
                write = write_folder
            write(recipe, seed, content)
            described = json.dumps(_described(recipe, seed), indent=1)
            (content / RECIPE_FILE).write_text(described + "\n")
            os.rename(content, final)
    except OSError as error:
        raise MilaError(f"{final} cannot be written: {error.strerror or error}") from error
    return final


def write_clips(
    recipe: Recipe, seeds: Sequence[int], out: Path, jobs: int
) -> Generator[int, None, None]:
    """Write the clips that are not there yet, ``jobs`` at a time; yields each seed when done.

    Interrupted, it leaves complete clips only. Processes that crash now and then are replaced,
    and their clips made anew.

    Raises:
        MilaError: A clip cannot be made, or the name of one is taken.
    """
    missing = [seed for seed in seeds if not is_complete(out, seed, recipe)]
    try:
        if jobs == 1:
            for seed in missing:
                write_clip(recipe, seed, out)
                yield seed
        else:
            yield from _write_in_processes(recipe, missing, out, jobs)
    finally:
        for seed in missing:
            discard(clip_path(out, seed))


def _write_in_processes(
    recipe: Recipe, seeds: Sequence[int], out: Path, jobs: int
) -> Generator[int, None, None]:
    """Write clips in ``jobs`` processes, new ones where they crash; yields each seed when done."""
    left = set(seeds)
    while left:
        begun_with = len(left)
        try:
            with worker_processes(min(jobs, begun_with)) as pool:
                futures = {
                    pool.submit(write_clip, recipe, seed, out): seed for seed in sorted(left)
                }
                for future in as_completed(futures):
                    future.result()
                    left.remove(futures[future])
                    yield futures[future]
        except WorkerLost:
            done = {seed for seed in left if is_complete(out, seed, recipe)}  # and not yet told
            left -= done
            yield from sorted(done)
            if left and begun_with - len(left) < _CLIPS_A_CRASH:
                raise


def check_seeds(seeds: range) -> str:
    """The split that all the seeds belong to.

    Raises:
        MilaError: They are of several splits, or of none.
    """
    first, last = split_of(seeds[0]), split_of(seeds[-1])
    if first != last:
        raise MilaError(
            f"seeds {seeds[0]} to {seeds[-1]} reach from the {first} split into the {last} split; "
            "simulate them in two runs"
        )
    return first


def write_folder(recipe: Recipe, seed: int, path: Path) -> None:
    """Simulate a clip into a clip folder."""
    taxonomy = WORLDS[recipe.world][recipe.classes]
    table = lookup_table(own_taxonomy(recipe.world), taxonomy)
    with recipe.simulator(seed) as simulator:
        writer = ClipWriter(
            path, fps=recipe.fps, intrinsics=simulator.opencv_intrinsics, classes=taxonomy.classes
        )
        with writer:
            for frame in simulator.frames(recipe.frames):
                labels = frame.labels
                writer.add(
                    frame.image,
                    depth=labels.depth,
                    label=table[labels.label],
                    motion=labels.motion.astype(np.uint8) * 255,
                    pose=frame.pose.camera,
                )
                if "normals" in recipe.extras:
                    _write_png(path / "normals", frame.index, encode_normals(frame.normals()))
                if "flow" in recipe.extras:
                    flow = frame.flow(simulator.pose(frame.index + 1))
                    _write_png(path / "flow", frame.index, encode_flow(flow))


def encode_flow(flow: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Flow as uint16 [H, W, 3] RGB, as KITTI has it: 64 u + 2^15, 64 v + 2^15, 1 where known."""
    values = np.rint(flow.astype(np.float64) * 64 + 2**15)
    known = (np.isfinite(values) & (values >= 0) & (values < 2**16)).all(-1, keepdims=True)
    return np.concatenate([np.where(known, values, 0), known], -1).astype(np.uint16)


def _write_png(folder: Path, index: int, rgb: NDArray[np.uint16]) -> None:
    folder.mkdir(exist_ok=True)
    data = cv2.imencode(".png", rgb[..., ::-1])[1]
    (folder / f"{index:06d}.png").write_bytes(data.tobytes())


def _described(recipe: Recipe, seed: int) -> dict[str, object]:
    """The recipe as it is kept with the clip."""
    described: dict[str, object] = {"revision": _REVISION, "seed": seed, **asdict(recipe)}
    return described | {"extras": list(recipe.extras)}
