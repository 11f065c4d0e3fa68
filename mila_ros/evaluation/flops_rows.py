# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the papers' tables of costs: a network, what the paper prints, what it costs here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn

from ..networks import MILA, build_network
from ..tasks import Task
from .flops import measure

KEYFRAME_INTERVAL = 5

Report = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A network of a table.

    Attributes:
        network: Key of ``NETWORKS``.
        paper: What the paper prints.
        arguments: Of the network.
        note: Where the paper contradicts itself, and why a figure differs.
    """

    network: str
    paper: float | None
    arguments: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def _without_decoders(network: nn.Module) -> Iterable[nn.Module]:
    """What MILA's tables leave out of a network."""
    if isinstance(network, MILA):
        return [cast(nn.Module, branch.heads) for branch in network.branches.values()]
    return [cast(nn.Module, network.decoders)]


def recompute(
    row: Row, tasks: Sequence[Task], size: tuple[int, int], encoder_alone: bool = False
) -> Report:
    """Paper and ours for one row; ``encoder_alone`` where the paper counts whole networks."""
    with torch.device("meta"):
        network = build_network(row.network, tasks, **row.arguments).eval()
        image = torch.empty(1, 3, *size)
        frames = 1 if network.slow_only else KEYFRAME_INTERVAL

        def run() -> None:
            state = None
            for number in range(frames):
                _, state = network(image, state, keyframe=number == 0)

        if encoder_alone:
            encoders = [part for name, part in network.named_children() if "encoder" in name]
            cost = measure(network, run, frames, counted=encoders)
        else:
            cost = measure(network, run, frames, left_out=_without_decoders(network))
    return {"paper": row.paper, **cost.as_dict(), "note": row.note}
