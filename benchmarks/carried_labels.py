# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether attention puts an earlier frame's features where the current frame has them.

``python benchmarks/carried_labels.py MODEL... --clips CLIPS --json FILE``

What attention carries is made to be true labels instead of features: those of the keyframe, and
of the frame before, at the features' resolution. Then they are compared with the true labels of
the current frame. Beside it, labels that are left where they were (as concatenation leaves
features), and their means over the window (attention that cannot choose).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from report import write_report
from torch import Tensor, nn
from tqdm import tqdm

from mila_ros.data.clip_folder import ClipFolder
from mila_ros.networks.local_attention import inter_frame_local_attention
from mila_ros.networks.propagation import LocalAttentionPropagation, Source
from mila_ros.streaming import Perception
from mila_ros.streaming.keyframes import EveryN
from mila_ros.training.clips import find_clips

THIN = ("pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle")
PERIOD_NS = 66_666_667
Counts = dict[tuple[str, str], np.ndarray]


class Carried:
    """Counts, at every frame between keyframes, which labels arrive where they belong.

    Args:
        network: A MILA with local attention; its attention is listened to.

    Attributes:
        branches: Those that have it.
    """

    def __init__(self, network: nn.Module) -> None:
        self.counts: Counts = defaultdict(lambda: np.zeros(4))
        self.branches: list[str] = []
        self.seen: dict[str, list[tuple[Source, Source, int]]] = defaultdict(list)
        for name, module in network.named_modules():
            if isinstance(module, LocalAttentionPropagation):
                self.branches.append(name.split(".")[1])
                module.register_forward_hook(self._listen(self.branches[-1]))

    def _listen(self, branch: str) -> Any:
        def hook(module: Any, inputs: tuple[Source, Source], _: Tensor) -> None:
            self.seen[branch].append((*inputs, module.window))

        return hook

    def count(self, age: int, labels: Sequence[Tensor], void: int, thin: Sequence[int]) -> None:
        """Take in a frame between keyframes.

        Args:
            age: Of the keyframe.
            labels: [h, w] of the keyframe, of the frame before and of this frame.
            void: The label that is none.
            thin: Labels that are counted by themselves too.
        """
        *earlier, now = labels
        for n, (source, then) in enumerate(
            zip((f"keyframe of age {age}", "the frame before"), earlier, strict=True)
        ):
            calls = {branch: seen[n] for branch, seen in self.seen.items()}
            window = next(iter(calls.values()))[2]
            found = {"left where they were": then, "mean of the window": _mean(then, window)}
            for branch, (current, before, window) in calls.items():
                found[branch] = inter_frame_local_attention(
                    current.embedding, before.embedding, _maps(then), window
                )[0].argmax(0)
            for way, arrived in found.items():
                self._add((source, way), arrived == now, now != void, thin, now)

    def _add(
        self, where: tuple[str, str], right: Tensor, known: Tensor, thin: Sequence[int], now: Tensor
    ) -> None:
        small = torch.isin(now, torch.tensor(thin))
        figures = [right & known, known, right & small, small]
        self.counts[where] += np.array([int(figure.sum()) for figure in figures])


def _maps(labels: Tensor) -> Tensor:
    """One map per label, [1, 256, h, w]."""
    return F.one_hot(labels, 256).permute(2, 0, 1)[None].float()


def _mean(labels: Tensor, window: int) -> Tensor:
    mean = F.avg_pool2d(_maps(labels), window, 1, window // 2, count_include_pad=False)
    return mean[0].argmax(0)


def measure(model: str, clips: Sequence[ClipFolder], every: int) -> dict[str, Any]:
    """Shares of labels that are right, by source and way: of all, and of thin things."""
    perception = Perception.load(model, device="cpu", threads=1, keyframes=EveryN(every))
    carried = Carried(perception.network)
    if not carried.branches:
        raise SystemExit(
            f"{model} carries nothing by local attention; give a bundle of MILA with ila"
        )
    for number, clip in enumerate(tqdm(clips, desc=model, disable=None)):
        thin = [clip.classes.index(name) for name in THIN if name in clip.classes]
        for n in range(len(clip)):
            carried.seen.clear()
            seen = perception.step(clip.image(n), stamp_ns=1 + n * PERIOD_NS, camera=str(number))
            if age := seen.keyframe_age:
                [(current, _, _), *_] = next(iter(carried.seen.values()))
                size = current.value.shape[2:]
                labels = [_labels(clip, i, size) for i in (n - age, n - 1, n)]
                carried.count(age, labels, clip.void_id, thin)
    results: dict[str, Any] = {}
    for (source, way), (right, known, small_right, small) in sorted(carried.counts.items()):
        results.setdefault(source, {})[way] = {
            "right": right / known,
            "right of thin things": small_right / max(small, 1),
        }
    return results


def _labels(clip: ClipFolder, frame: int, size: torch.Size) -> Tensor:
    labels = clip.label(frame)
    if labels is None:
        raise SystemExit(f"{clip.path} has no labels")
    whole = torch.from_numpy(labels.astype(np.float32))[None, None]
    return F.interpolate(whole, size, mode="nearest-exact")[0, 0].long()


def main() -> None:
    """Measure every model on every clip."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+", help="bundles of MILA with local attention")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="with labels")
    parser.add_argument("--keyframe-every", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    clips = [ClipFolder.open(path) for path in find_clips(arguments.clips)]
    results = {m: measure(m, clips, arguments.keyframe_every) for m in arguments.models}
    print(json.dumps(results, indent=1))
    figures = {
        "clips": len(clips),
        "keyframe_every": arguments.keyframe_every,
        "thin": THIN,
        "models": {Path(name).name: result for name, result in results.items()},
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
