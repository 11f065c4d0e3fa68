# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training samples of four frames from labelled clips: what MILA needs to see of a video.

A sample holds, of one clip, the frame ``before`` a keyframe, the ``key`` frame, the ``last``
non-keyframe and the ``current`` one, at a random distance from the keyframe, so that every
distance is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..data.clip_folder import ClipFolder
from ..errors import MilaError


@dataclass(frozen=True)
class LabelledClip:
    """A clip in memory: image u8 [T,H,W,3] RGB, label u8, motion u8, depth f16 metres [T,H,W].

    Depth is 0 where it is not known.
    """

    image: np.ndarray
    label: np.ndarray
    motion: np.ndarray
    depth: np.ndarray
    focal_px: float


@dataclass(frozen=True)
class Batch:
    """Four frames per sample, roles first: image f32 [4,B,3,H,W] in 0..1, the rest [4,B,H,W].

    ``depth`` is in canonical metres: what a camera of the canonical focal length would measure.
    """

    image: Tensor
    label: Tensor
    motion: Tensor
    depth: Tensor


def load_clips(root: Path, workers: int = 2) -> list[LabelledClip]:
    """All clip folders under ``root``.

    Raises:
        MilaError: A clip cannot be read, or lacks depth, labels, motion or its focal length.
    """
    folders = sorted(path.parent for path in root.glob("*/camera.json"))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(_load_clip, folders))


def _load_clip(folder: Path) -> LabelledClip:
    clip = ClipFolder.open(folder)
    if clip.intrinsics is None:
        raise MilaError(f"{folder} cannot be trained on: its camera.json gives no K")

    def stack(kind: str, read: Callable[[int], np.ndarray | None]) -> np.ndarray:
        maps = [m for m in map(read, range(len(clip))) if m is not None]
        if len(maps) != len(clip):
            raise MilaError(f"{folder} cannot be trained on: not every frame has a map in {kind}/")
        return np.stack(maps)

    return LabelledClip(
        image=np.stack([clip.image(n) for n in range(len(clip))]),
        label=stack("label", clip.label),
        motion=stack("motion", clip.motion),
        depth=np.nan_to_num(stack("depth", clip.depth), nan=0.0).astype(np.float16),
        focal_px=float(clip.intrinsics[0, 0]),
    )


def class_weights(clips: Sequence[LabelledClip], classes: int) -> Tensor:
    """1 / log(1.1 + share of pixels), as ENet weighs rare classes, scaled to a mean of 1."""
    counts = sum(
        (np.bincount(clip.label[0].ravel(), minlength=256)[:classes] for clip in clips),
        start=np.zeros(classes, np.int64),
    )
    weights = 1 / np.log(1.1 + counts / counts.sum())
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)


class Sampler:
    """An endless stream of augmented batches, the same for the same seed and start.

    Args:
        clips: Clips of at least three frames.
        batch: Samples in a batch.
        size: Height and width of the crops.
        canonical_focal_px: Focal length, in pixels of the crop, at which depth is metric.
        seed: Batch number n is made from (seed, n) alone, so that training can be resumed.
    """

    def __init__(
        self,
        clips: Sequence[LabelledClip],
        batch: int,
        size: tuple[int, int],
        canonical_focal_px: float,
        seed: int,
    ) -> None:
        self.clips, self.batch, self.size = clips, batch, size
        self.canonical_focal_px, self.seed = canonical_focal_px, seed

    def batches(self, first: int, ahead: int = 3) -> Iterator[Batch]:
        """Batches ``first``, ``first + 1``, …, made in a thread while the network is busy."""
        with ThreadPoolExecutor(1) as pool:
            pending = [pool.submit(self.make, first + n) for n in range(ahead)]
            number = first + ahead
            while True:
                yield pending.pop(0).result()
                pending.append(pool.submit(self.make, number))
                number += 1

    def make(self, number: int) -> Batch:
        """Batch ``number``."""
        rng = np.random.default_rng((self.seed, number))
        samples = [self._sample(rng) for _ in range(self.batch)]
        image, label, motion, depth = (
            np.stack(part, axis=1) for part in zip(*samples, strict=True)
        )
        return Batch(
            image=torch.from_numpy(image).permute(0, 1, 4, 2, 3).float() / 255,
            label=torch.from_numpy(label).long(),
            motion=torch.from_numpy(motion).long(),
            depth=torch.from_numpy(depth),
        )

    def _sample(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        clip = self.clips[rng.integers(len(self.clips))]
        key = int(rng.integers(1, len(clip.image) - 1))
        current = int(rng.integers(key + 1, len(clip.image)))
        last = current - 1 if current - 1 > key else key - 1  # the last frame that is no keyframe
        frames = [key - 1, key, last, current]
        height, width = clip.image.shape[1:3]
        # Zoom changes the focal length with the picture; canonical depth follows from it.
        smallest = max(self.size[0] / height, self.size[1] / width)
        zoom = float(np.exp(rng.uniform(np.log(smallest), np.log(max(smallest, 1.4)))))
        scaled = (round(width * zoom), round(height * zoom))
        top = int(rng.integers(0, scaled[1] - self.size[0] + 1))
        left = int(rng.integers(0, scaled[0] - self.size[1] + 1))
        flip = bool(rng.random() < 0.5)

        def crop(maps: np.ndarray, interpolation: int) -> np.ndarray:
            out = [
                cv2.resize(maps[frame], scaled, interpolation=interpolation)[
                    top : top + self.size[0], left : left + self.size[1]
                ]
                for frame in frames
            ]
            return np.stack([picture[:, ::-1] if flip else picture for picture in out])

        image = _disturb(crop(clip.image, cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR), rng)
        depth = crop(clip.depth.astype(np.float32), cv2.INTER_NEAREST)
        return (
            image,
            crop(clip.label, cv2.INTER_NEAREST),
            crop(clip.motion, cv2.INTER_NEAREST),
            depth * (self.canonical_focal_px / (clip.focal_px * zoom)),
        )


def _disturb(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain, gamma, colour cast, blur and noise, the same for all frames but for the noise."""
    lut = np.arange(256, dtype=np.float32) / 255
    gain = np.exp(rng.normal(0, 0.15, 3) + rng.normal(0, 0.2))
    table = np.clip(lut[:, None] ** np.exp(rng.normal(0, 0.2)) * gain, 0, 1) * 255
    out = np.stack([table[..., c].astype(np.uint8)[images[..., c]] for c in range(3)], axis=-1)
    if rng.random() < 0.15:
        gray = out.mean(-1, keepdims=True)
        out = (gray + (out - gray) * rng.uniform(0, 0.7)).astype(np.uint8)
    if rng.random() < 0.3:
        sigma = rng.uniform(0.4, 1.2)
        out = np.stack([cv2.GaussianBlur(picture, (0, 0), sigma) for picture in out])
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(2, 10), out.shape[1:]).astype(np.int16)
        out = np.stack([np.clip(p + np.roll(noise, 37 * n, 1), 0, 255) for n, p in enumerate(out)])
    return out.astype(np.uint8)
