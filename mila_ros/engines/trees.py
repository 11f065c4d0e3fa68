# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nested tuples and mappings of tensors, flat and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

Tree = Any
"""A tensor, None, or a tuple or mapping of trees; nothing else."""


def leaves(tree: Tree, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a tree in order, each with its path, such as ``last/depth/value``.

    Raises:
        TypeError: For anything in it that is no tree.
    """
    if isinstance(tree, Tensor):
        yield name, tree
    elif isinstance(tree, Mapping):
        for key, branch in tree.items():
            yield from leaves(branch, f"{name}/{key}" if name else str(key))
    elif isinstance(tree, tuple):
        keys = getattr(tree, "_fields", range(len(tree)))
        for key, branch in zip(keys, tree, strict=True):
            yield from leaves(branch, f"{name}/{key}" if name else str(key))
    elif tree is not None:
        raise TypeError(f"{name or 'the tree'} is a {type(tree).__name__}, not a tensor")


def rebuilt(tree: Tree, tensors: Iterator[Tensor]) -> Tree:
    """A tree of the same form with other tensors, in the order of :func:`leaves`."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, Mapping):
        return {key: rebuilt(branch, tensors) for key, branch in tree.items()}
    if isinstance(tree, tuple):
        branches = [rebuilt(branch, tensors) for branch in tree]
        return type(tree)._make(branches) if hasattr(tree, "_make") else tuple(branches)
    return tree
