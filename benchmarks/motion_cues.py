# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a model sees motion, or guesses it from what things look like.

``python benchmarks/motion_cues.py MODEL... --clips CLIPS --json FILE``

Each clip is played as it is, backwards, and as one picture that is shown again and again. In the
last one nothing moves: a model that marks as much as before has not looked at the other frames.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from report import write_report
from tqdm import tqdm

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.streaming import Perception
from mila_ros.training.clips import find_clips

FRAMES = 8  # of a clip; the last one is looked at
PERIOD_NS = 66_666_667


def orders(length: int) -> dict[str, list[int]]:
    """The frames that are shown, by the way of showing them."""
    end = min(length, FRAMES) - 1
    return {
        "as it is": list(range(end + 1)),
        "backwards": list(range(min(2 * end, length - 1), end - 1, -1)),
        "one picture": [end] * (end + 1),
    }


def measure(model: str, clips: Sequence[ClipFolder], precision: str) -> dict[str, Any]:
    """IoU with what moves in the clip, and the share of all pixels that is marked, by order.

    Every order ends with the same picture, so the same mask is the truth for the first two.
    """
    perception = Perception.load(model, device="cpu", precision=precision, threads=1)
    counts = {name: np.zeros(4) for name in orders(FRAMES)}
    for number, clip in enumerate(tqdm(clips, desc=model, disable=None)):
        for name, frames in orders(len(clip)).items():
            for n, frame in enumerate(frames):
                seen = perception.step(
                    clip.image(frame), stamp_ns=1 + n * PERIOD_NS, camera=f"{number} {name}"
                )
            truth, said = clip.motion(frames[-1]), seen.motion
            if truth is None or said is None:
                raise SystemExit(f"{clip.path} or {model} has no motion mask")
            moves, known = truth == 255, truth != 127
            marked = (said == 255) & known
            both, either = (marked & moves).sum(), (marked | (moves & known)).sum()
            counts[name] += both, either, marked.sum(), known.sum()
    return {
        name: {"iou": both / max(either, 1), "marked": marked / known}
        for name, (both, either, marked, known) in counts.items()
    }


def main() -> None:
    """Measure every model on every clip."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="with motion masks")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    clips = [ClipFolder.open(path) for path in find_clips(arguments.clips)]
    results = {m: measure(m, clips, arguments.precision) for m in arguments.models}
    print(json.dumps(results, indent=1))
    figures = {
        "clips": len(clips),
        "frames": FRAMES,
        "precision": arguments.precision,
        "models": {Path(name).name: result for name, result in results.items()},
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
