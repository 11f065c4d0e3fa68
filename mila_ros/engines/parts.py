# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network's step from frame to frame as functions of tensors alone.

MILA is run in *parts*: an encoder, then the decoder of each branch. Any set of tasks is then a
choice among the same few graphs. Other networks are one part
per set of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, cast

from torch import Tensor

from ..networks import MILA, Network, State
from ..networks.base import at_size
from ..networks.decoder import Branch
from ..networks.propagation import Source
from .trees import Tree

ENCODE, SOURCES, DECODE, STEP = "encode", "sources", "decode", "step"
ARGUMENTS = {
    ENCODE: ("image",),
    SOURCES: ("encoded", "image"),
    DECODE: ("encoded", "image", "state"),
    STEP: ("image", "state"),
}
"""What each kind of part is given, in order."""

Sources = Mapping[str, Source]


class Streamed(NamedTuple):
    """A :class:`State` as a tuple, which is what exporters know."""

    key: Sources
    last: Sources


class Encoded(NamedTuple):
    """What the decoders are given of a frame; detail is None where they want none."""

    features: Tensor
    detail: Tensor | None


class Decoded(NamedTuple):
    """Logits by task, [B, channels, H, W] of the image's size, and the next state."""

    logits: Mapping[str, Tensor]
    state: Streamed


class Part(NamedTuple):
    """A function of tensors, of those that make up a network's step.

    Attributes:
        kind: ``encode`` (image to features), ``sources`` (features to what other frames receive),
            ``decode`` (features and state to logits and state) or ``step`` (all of it).
        keyframe: Which encoder, and which way to fuse.
        tasks: Whose logits; empty where there are none.
    """

    kind: str
    keyframe: bool
    tasks: tuple[str, ...] = ()

    def __str__(self) -> str:
        frame = "keyframes" if self.keyframe else "the frames between"
        return f"{self.kind} {' '.join((*self.tasks, 'of', frame))}"

    def __call__(self, network: Network, *arguments: Tree) -> Tree:
        """Compute it.

        Args:
            network: Whose part it is.
            *arguments: See :data:`ARGUMENTS`: image [B, 3, H, W], :class:`Encoded`,
                :class:`Streamed`.

        Returns:
            ``encode``: :class:`Encoded`. ``sources``: by branch. Else: :class:`Decoded`.
        """
        if self.kind == STEP:
            image, state = arguments
            logits, new = network(
                image, State(*state), keyframe=self.keyframe, tasks=list(self.tasks)
            )
            return Decoded(logits, Streamed(new.key, new.last))
        assert isinstance(network, MILA)
        if self.kind == ENCODE:
            (image,) = arguments
            detail = network.detail(image) if network.detail is not None else None
            return Encoded(network.encode(image, self.keyframe), detail)
        if self.kind == SOURCES:
            encoded, image = arguments
            branches = cast("Mapping[str, Branch]", network.branches)
            return {
                name: branch.source(encoded.features, image) for name, branch in branches.items()
            }
        encoded, image, state = arguments
        logits, new = network.decode(
            encoded.features, State(*state), self.keyframe, self.tasks, image, encoded.detail
        )
        return Decoded(at_size(logits, image), Streamed(new.key, new.last))


Run = Callable[..., Tree]
"""run(part, *arguments): the part's result, however it is computed."""


def in_parts(
    network: Network,
    run: Run,
    image: Tensor,
    state: State | None,
    keyframe: bool,
    tasks: Collection[str] | None,
) -> tuple[dict[str, Tensor], State]:
    """What ``network(image, state, keyframe=keyframe, tasks=tasks)`` is, part by part.

    Raises:
        ValueError: As the network does.
    """
    wanted = network.wanted(tasks)
    old = state or State()
    if not isinstance(network, MILA):
        names = tuple(task.name for task in network.tasks if task.name in wanted)
        part = Part(STEP, keyframe or network.slow_only, names)
        decoded = run(part, image, Streamed(old.key, old.last))
        return dict(decoded.logits), State(*decoded.state)
    encoded = run(Part(ENCODE, keyframe), image)
    logits: dict[str, Tensor] = {}
    key: dict[str, Source] = {}
    last: dict[str, Source] = {}
    for name, branch in cast("Mapping[str, Branch]", network.branches).items():
        heads = tuple(task for task in branch.heads if task in wanted)
        if not heads:
            continue
        own = Streamed(*({name: s[name]} if name in s else {} for s in (old.key, old.last)))
        decoded = run(Part(DECODE, keyframe, heads), encoded, image, own)
        logits |= decoded.logits
        key |= decoded.state.key
        last |= decoded.state.last
    return logits, State(key, last)


def sources_in_parts(run: Run, image: Tensor) -> Sources:
    """``state.key`` after MILA's ``network(image, keyframe=True)``, of all branches."""
    encoded = run(Part(ENCODE, keyframe=True), image)
    sources: Sources = run(Part(SOURCES, keyframe=True), encoded, image)
    return sources
