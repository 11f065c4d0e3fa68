# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which seeds may be trained on: a world belongs to one split for good, by its seed."""

from __future__ import annotations

from mila_ros.errors import MilaError

SPLITS = {
    "train": range(0, 900_000),
    "validation": range(900_000, 950_000),
    "test": range(950_000, 1_000_000),
}
"""Seeds of each split; together they are all seeds."""


def split_of(seed: int) -> str:
    """The split of a seed: ``train``, ``validation`` or ``test``.

    Raises:
        MilaError: No world has this seed.
    """
    for name, seeds in SPLITS.items():
        if seed in seeds:
            return name
    raise MilaError(f"there is no world with seed {seed}; seeds are from 0 to 999999")


def check_trainable(seed: int) -> None:
    """Refuse a seed that is kept for validation or test.

    Raises:
        MilaError: The seed is not one of the training split.
    """
    split = split_of(seed)
    if split != "train":
        raise MilaError(
            f"seed {seed} is kept for {split}; train on seeds from 0 to {SPLITS['train'].stop - 1}"
        )
