# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How each kind of network is run while it is trained, from images to supervised logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ..networks import MILA, Network, State
from ..networks.distillation import Predictions
from .samples import BEFORE, CURRENT, KEY, LAST


class Answer(NamedTuple):
    """What a network says about one frame.

    Attributes:
        logits: By task, [B, channels, h, w].
        role: Place of the frame among the labelled ones of a sample.
    """

    logits: Mapping[str, Tensor]
    role: int


Answers = dict[str, Answer]
"""By the way they were computed: what the log calls them."""

Normalise = Callable[[Tensor], Tensor]
"""From uint8 images [N, 3, H, W] to what networks see."""


def on_frames(network: Network, images: Tensor, normalise: Normalise) -> Answers:
    """A single frame through each of the network's encoders, or at every supervised scale.

    Args:
        network: Any.
        images: uint8 [1, B, 3, H, W].
        normalise: What is done to images first.
    """
    image = normalise(images[0])
    if isinstance(network, MILA):
        kinds = {"key": True} if network.slow_only else {"key": True, "nonkey": False}
        answers = {}
        for kind, keyframe in kinds.items():
            features = network.encode(image, keyframe)
            logits, _ = network.decode(features, State(), keyframe, image=image)
            answers[kind] = Answer(logits, 0)
        return answers
    predictions = getattr(network, "predictions", None)
    if predictions is None:
        return {"frame": Answer(network(image)[0], 0)}
    deep: Predictions = predictions(image)
    initial = {f"initial{n}": Answer(logits, 0) for n, logits in enumerate(deep.initial)}
    return {"frame": Answer(deep.final, 0)} | initial


def on_pair(network: Network, images: Tensor, normalise: Normalise, lonely: bool) -> Answers:
    """Two frames in turn through a network with a state; the second is supervised.

    Args:
        network: Any whose state is what it keeps of the frame before.
        images: uint8 [2, B, 3, H, W].
        normalise: What is done to images first.
        lonely: Leave the first one out, as at the start of a stream.
    """
    state = None if lonely else network(normalise(images[0]))[1]
    return {"frame": Answer(network(normalise(images[1]), state)[0], 0)}


def on_video(
    network: MILA, images: Tensor, normalise: Normalise, lonely: bool
) -> tuple[Answers, tuple[Tensor, Tensor]]:
    """A keyframe and a later frame of MILA, both supervised.

    Args:
        network: With a fast encoder.
        images: uint8 [4, B, 3, H, W], in the order of the roles.
        normalise: What is done to images first.
        lonely: Leave earlier frames out, as at the start of a stream.

    Returns:
        The answers, and the features of the keyframe from the slow and from the fast encoder.
    """
    size = images.shape[1]
    frames = normalise(images[[BEFORE, LAST, CURRENT, KEY]].flatten(0, 1))
    before, last, current, key = frames.split(size)
    slow = network.encode(key, True)
    before_f, last_f, current_f, key_f = network.encode(frames, False).split(size)

    def sources(features: Tensor, image: Tensor) -> dict[str, Any]:
        return {n: branch.source(features, image) for n, branch in network.branches.items()}

    start = State() if lonely else State(last=sources(before_f, before))
    key_logits, state = network.decode(slow, start, True, image=key)
    between = State(key=state.key, last={} if lonely else sources(last_f, last))
    logits, _ = network.decode(current_f, between, False, image=current)
    return {"key": Answer(key_logits, 0), "nonkey": Answer(logits, 1)}, (slow, key_f)
