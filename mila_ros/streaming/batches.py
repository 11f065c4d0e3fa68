# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras as one batch, and its results as theirs again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..engines.trees import Tree, leaves, rebuilt
from ..networks import State


def joined(trees: Sequence[Tree]) -> Tree:
    """Trees of the same form, whose tensors are [1, ...] of the same shapes, as one of a batch.

    What :func:`parted` made of one batch is put together without copying, in the same order.
    """
    columns = zip(*([tensor for _, tensor in leaves(tree)] for tree in trees), strict=True)
    return rebuilt(trees[0], (_beside(column) for column in columns))


def parted(tree: Tree, count: int) -> list[Tree]:
    """The trees of which :func:`joined` makes this one; nothing is copied."""
    return [
        rebuilt(tree, (tensor[number : number + 1] for _, tensor in leaves(tree)))
        for number in range(count)
    ]


def joined_states(states: Sequence[State | None]) -> State | None:
    """The state of a batch; None when none of its frames has one."""
    if states[0] is None:
        return None
    return State(*joined([(state.key, state.last) for state in cast("Sequence[State]", states)]))


def parted_state(state: State, count: int) -> list[State]:
    """The state of each frame of a batch."""
    return [State(*tree) for tree in parted((state.key, state.last), count)]


def form(state: State | None) -> tuple[tuple[str, torch.Size], ...] | None:
    """What must be the same of two states that are to be of one batch."""
    if state is None:
        return None
    return tuple((name, tensor.shape) for name, tensor in leaves((state.key, state.last)))


def _beside(tensors: Sequence[Tensor]) -> Tensor:
    """[1, ...] each, as [B, ...]: the memory that they share, or else a copy."""
    first = tensors[0]
    size = first.numel()
    storage = first.untyped_storage().data_ptr()
    for number, tensor in enumerate(tensors):
        if not (
            tensor.untyped_storage().data_ptr() == storage
            and tensor.storage_offset() == first.storage_offset() + number * size
            and tensor.stride()[1:] == first.stride()[1:]
            and _is_dense(tensor)
        ):
            return torch.cat(list(tensors))
    shape, strides = (len(tensors), *first.shape[1:]), (size, *first.stride()[1:])
    return first.as_strided(shape, strides, first.storage_offset())


def _is_dense(tensor: Tensor) -> bool:
    """Whether it is one piece of memory, in whatever order of its dimensions."""
    reach = sum((n - 1) * s for n, s in zip(tensor.shape[1:], tensor.stride()[1:], strict=True))
    return reach + 1 == tensor.numel()
