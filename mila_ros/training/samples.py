# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training samples from labelled clips: what MILA needs to see of a video.

A *video* sample holds the frame ``before`` a keyframe, the ``key`` frame, the ``last``
non-keyframe and the ``current`` one, at a random distance from the keyframe, so that every
distance is trained. A *pair* holds a frame and the one before it, a *frames* sample one frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MilaError
from ..streaming.preprocessing import network_size
from .augmentation import View, disturb
from .clips import Clips
from .config import StageConfig
from .targets import STATIC, TARGETS, unknown_target

Sample = tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]

BEFORE, KEY, LAST, CURRENT = range(4)
_LABELLED = {"video": (KEY, CURRENT), "pair": (KEY,), "frames": (0,)}
_SHAPES = 1  # what sets a step's stream of chance apart from those of samples
_EARLIER_FRAMES = {"video": 2, "pair": 1, "frames": 0}  # than a labelled one, at least


@dataclass(frozen=True)
class Batch:
    """Samples of a step; roles first: before, key, last, current (a pair: before, key), or one.

    Attributes:
        image: uint8 [roles, B, 3, H, W].
        targets: By task, of the key and the current frame, or of the one: [labelled, B, H, W],
            normals [labelled, B, 3, H, W], with the values of :data:`.targets.TARGETS`. Depth is
            in canonical metres: what a camera of the canonical focal length would measure.
    """

    image: Tensor
    targets: Mapping[str, Tensor]

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        if device.type == "cpu":
            return self
        return Batch(
            self.image.pin_memory().to(device, non_blocking=True),
            {k: v.pin_memory().to(device, non_blocking=True) for k, v in self.targets.items()},
        )


class Sampler:
    """Batches by number: the same for the same seed and number, wherever training begins.

    Args:
        clips: What to draw from.
        stage: Batch size, crops, zoom and distances.
        canonical_focal_px: Focal length at which depth is as it is.
        seed: Sample n is made from (seed, n) alone.
        rank, world: This process and how many there are; each makes its share of a step's samples.
        workers: Threads that read and crop.

    Raises:
        MilaError: No clip is long enough and labelled.
    """

    def __init__(
        self,
        clips: Clips,
        stage: StageConfig,
        canonical_focal_px: float,
        seed: int,
        rank: int = 0,
        world: int = 1,
        workers: int = 1,
    ) -> None:
        self.clips, self.stage, self.seed = clips, stage, seed
        self.canonical_focal_px = canonical_focal_px
        self.rank, self.world, self.workers = rank, world, max(1, workers)
        earlier = _EARLIER_FRAMES[stage.objective]
        # The first frames of a video have no keyframe, and no frame before it, to come from.
        self.current = [
            labelled if stills else tuple(frame for frame in labelled if frame >= earlier)
            for labelled, stills in zip(clips.labelled, clips.stills, strict=True)
        ]
        self.usable = [index for index, frames in enumerate(self.current) if frames]
        if not self.usable:
            raise MilaError(
                f"stage {stage.name} finds nothing to learn from: no clip has {earlier + 1} frames "
                f"or more and maps of {', '.join(clips.tasks)}"
            )

    def batches(self, first: int, ahead: int = 3) -> Iterator[Batch]:
        """Batches ``first``, ``first + 1``, …, made in threads while the network is busy."""
        pool = ThreadPoolExecutor(self.workers)
        try:
            pending: deque[list[Future[Sample]]] = deque()
            number = first
            while True:
                while len(pending) <= ahead:
                    pending.append([pool.submit(self.sample, n) for n in self._numbers(number)])
                    number += 1
                yield _collate([future.result() for future in pending.popleft()])
        finally:
            pool.shutdown(cancel_futures=True)

    def make(self, number: int) -> Batch:
        """Batch ``number``."""
        return _collate([self.sample(n) for n in self._numbers(number)])

    def sample(self, number: int) -> Sample:
        """Image uint8 [roles, 3, H, W], and the targets of the labelled roles by task."""
        rng = np.random.default_rng((self.seed, number))
        index = self.usable[rng.integers(len(self.usable))]
        clip = self.clips.clips[index]
        frames = self.frames(index, rng)
        still = bool(self.stage.still) and rng.random() < self.stage.still
        if still:
            frames = frames[-1:] * len(frames)
        size = self.size(number // (self.stage.batch * self.world))
        view = View.draw(rng, (clip.height, clip.width), size, self.stage.zoom)
        pictures = {frame: view.picture(clip.image(frame)) for frame in set(frames)}
        images = np.stack([pictures[frame] for frame in frames])
        if self.stage.disturb:
            images = disturb(images, rng)
        labelled = [frames[role] for role in _LABELLED[self.stage.objective]]
        targets = {
            task: np.stack([self._target(index, frame, task, view) for frame in labelled])
            for task in self.clips.tasks
        }
        # Between frames that are one picture nothing moves, whatever did when it was taken.
        alike = still or (self.clips.stills[index] and self.stage.objective != "frames")
        if alike and "motion" in targets:
            motion = targets["motion"]
            motion[motion != TARGETS["motion"].unknown] = STATIC
        return images.transpose(0, 3, 1, 2), targets

    def size(self, step: int) -> tuple[int, int]:
        """Height and width of a step's crops: what the model would see of a camera so shaped."""
        aspects = self.stage.aspects
        if not aspects:
            return self.stage.crop
        drawn = np.random.default_rng((self.seed, step, _SHAPES)).integers(len(aspects))
        return network_size(1000, round(1000 * aspects[drawn]), self.stage.crop)

    def frames(self, index: int, rng: np.random.Generator) -> list[int]:
        """The frames of a clip that play a sample's roles, drawn at random.

        A still is a video in which nothing moves.
        """
        current = self.current[index]
        length = len(self.clips.clips[index])
        if self.stage.objective == "frames":
            return [current[rng.integers(len(current))]]
        if self.stage.objective == "pair":
            now = current[rng.integers(len(current))]
            return [now, now] if self.clips.stills[index] else [now - 1, now]
        if self.clips.stills[index]:
            return [current[rng.integers(len(current))]] * 4
        if len(self.clips.labelled[index]) == length:
            key = int(rng.integers(1, length - 1))
            now = int(rng.integers(key + 1, min(length, key + self.stage.max_distance + 1)))
        else:
            key, now = self._around(current[rng.integers(len(current))], length, rng)
        last = now - 1 if now - 1 > key else key - 1  # the last frame that is no keyframe
        return [key - 1, key, last, now]

    def _around(self, labelled: int, length: int, rng: np.random.Generator) -> tuple[int, int]:
        """Keyframe and current frame of a clip with few labels; one of the two is labelled."""
        if rng.random() < 0.5:  # without this, the slow network's own answers go untrained
            return labelled, min(labelled + 1, length - 1)
        return labelled - int(rng.integers(1, min(labelled - 1, self.stage.max_distance) + 1)), (
            labelled
        )

    def _numbers(self, step: int) -> range:
        first = (step * self.world + self.rank) * self.stage.batch
        return range(first, first + self.stage.batch)

    def _target(self, index: int, frame: int, task: str, view: View) -> NDArray[Any]:
        target = self.clips.target(index, frame, task)
        intrinsics = self.clips.clips[index].intrinsics
        if target is None or (task == "depth" and intrinsics is None):
            target = unknown_target(task, view.size)
        elif task == "normals":
            target = view.vectors(target)
        else:
            target = view.map(target)
            if task == "depth":
                target = target * np.float32(
                    self.canonical_focal_px / (intrinsics[0, 0] * view.zoom)
                )
        return target.transpose(2, 0, 1) if task == "normals" else target


def _collate(samples: Sequence[Sample]) -> Batch:
    images, targets = zip(*samples, strict=True)
    return Batch(
        _tensor(images), {task: _tensor([each[task] for each in targets]) for task in targets[0]}
    )


def _tensor(arrays: Sequence[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(arrays, axis=1)))
