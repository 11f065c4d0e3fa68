# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks. This folder needs torch and nothing else: no ROS, no files, no arguments parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from ..tasks import Task
from .astmt import ASTMT
from .base import Network, State
from .baselines import CrossStitch, MultiTask, SingleTask
from .mila import MILA
from .mtan import mtan
from .mti_net import MTINet
from .multinet import multinet
from .pad_net import PADNet

NETWORKS: dict[str, Callable[..., Network]] = {
    "astmt": ASTMT,
    "cross_stitch": CrossStitch,
    "mila": MILA,
    "mtan": mtan,
    "mti_net": MTINet,
    "multi_task": MultiTask,
    "multinet": multinet,
    "pad_net": PADNet,
    "single_task": SingleTask,
}


@overload
def build_network(name: Literal["mila"], tasks: Sequence[Task], **arguments: Any) -> MILA: ...
@overload
def build_network(name: str, tasks: Sequence[Task], **arguments: Any) -> Network: ...
def build_network(name: str, tasks: Sequence[Task], **arguments: Any) -> Network:
    """A network by name, with random weights.

    Args:
        name: One of ``NETWORKS``.
        tasks: What to predict.
        **arguments: The network's own arguments.

    Raises:
        ValueError: For an unknown name, unknown arguments or values that do not fit.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose one of {', '.join(sorted(NETWORKS))}")
    try:
        return NETWORKS[name](tasks=tasks, **arguments)
    except TypeError as error:
        raise ValueError(f"network {name}: {error}") from error


__all__ = ["MILA", "NETWORKS", "Network", "State", "build_network"]
