# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of concurrent keyframes share: a video of noise, and the same done by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stream_bench import STEP, T0, Image

from mila_ros.networks import State
from mila_ros.streaming import EveryN, Frame, Perception, load_bundle
from mila_ros.streaming.lanes import Lane
from mila_ros.streaming.preprocessing import Preprocessor


def noise_video(frames: int, seed: int = 0, size: tuple[int, int] = (64, 128)) -> list[Image]:
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 256, (size[0], size[1] + 4 * frames, 3), dtype=np.uint8)
    return [np.ascontiguousarray(wide[:, 4 * n : 4 * n + size[1]]) for n in range(frames)]


def load(directory: Path, lane: Lane, every: int = 1000, **settings: Any) -> Perception:
    return Perception.load(
        directory,
        device="cpu",
        keyframes=EveryN(every, max_age_s=1000),
        keyframe_mode="concurrent",
        lane=lane,
        **settings,
    )


def step(
    perception: Perception, image: Image, number: int, camera: str = "front", **arguments: Any
) -> Frame:
    return perception.step(image, stamp_ns=T0 + number * STEP, camera=camera, **arguments)


class ByHand:
    """The same written out: frames by the fast network, keyframes put in between two of them."""

    def __init__(self, directory: Path) -> None:
        bundle, self.network = load_bundle(directory)
        self.prepare = Preprocessor(bundle.input, torch.device("cpu"))
        self.state: State | None = None

    @torch.inference_mode()
    def motion(self, image: Image, keyframe: bool = False, source: Image | None = None) -> Image:
        if source is not None:
            _, slow = self.network(self.prepare(source), None, keyframe=True)
            assert self.state is not None
            self.state = State(slow.key, self.state.last)
        prepared = self.prepare(image)
        logits, self.state = self.network(prepared, self.state, keyframe=keyframe)
        # 64x128 in, 64x128 out: the mask is where the one logit is larger.
        return (logits["motion"].softmax(1)[0, 1] > 0.5).numpy().astype(np.uint8) * 255
