# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that pass from one stage to the next, or from a bundle to a training of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..data.datasets.labels import VOID
from ..errors import MilaError
from ..networks import Network, build_network
from ..streaming.description import Bundle
from .labels import counterparts


@dataclass(frozen=True)
class Start:
    """What a training begins with instead of random weights.

    Attributes:
        weights: By name.
        classes: Names of the segmentation's classes; empty without that task.
        class_sides: Of the weights whose size depends on the number of classes, the dimensions
            that do.
    """

    weights: Mapping[str, Tensor]
    classes: tuple[str, ...] = ()
    class_sides: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, network: Network) -> Start:
        """From a bundle."""
        shapes, more = (
            {n: value.shape for n, value in _shapes_only(bundle, extra).state_dict().items()}
            for extra in (0, 1)
        )
        sides = {
            name: tuple(d for d, side in enumerate(shape) if side != more[name][d])
            for name, shape in shapes.items()
        }
        return cls(
            network.state_dict(),
            tuple(label.name for label in bundle.labels),
            {name: changed for name, changed in sides.items() if changed},
        )

    def for_classes(self, classes: Sequence[str]) -> dict[str, Tensor]:
        """The weights, with those of the segmentation's end brought to other classes by name.

        A class has the weights of the one that it was part of, or is most like; one that is new
        begins with the mean of all, as likely as any.
        """
        weights = dict(self.weights)
        if self.classes != tuple(classes):
            rows = torch.from_numpy(counterparts(classes, self.classes)[: len(classes)])
            for name, sides in self.class_sides.items():
                for side in sides:
                    weights[name] = _rows(weights[name], side, rows)
        return weights


def _shapes_only(bundle: Bundle, extra_classes: int) -> Network:
    tasks = [
        task.with_channels(task.channels + extra_classes) if task.name == "segmentation" else task
        for task in bundle.tasks
    ]
    with torch.device("meta"):
        return build_network(bundle.network, tasks, **bundle.network_arguments)


def _rows(value: Tensor, side: int, rows: Tensor) -> Tensor:
    """The parts of a tensor with these numbers along one side; the mean of all for void."""
    known = (rows != VOID).view(-1, *[1] * (value.ndim - 1 - side))
    picked = value.index_select(side, rows.long() * (rows != VOID))
    return torch.where(known, picked, value.mean(side, keepdim=True))


def take_over(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Start a stage from the weights of the one before.

    What has a name and shape in both is copied. A convolution that has grown inputs takes over
    the weights of the first ones and has zeros for the others, so that a network whose frames
    begin to be connected first predicts what it did without.

    Returns:
        Names of the parameters that nothing could be taken over for.

    Raises:
        MilaError: A parameter has another shape that is no growth of inputs, or nothing fits.
    """
    fresh = []
    own = network.state_dict()
    with torch.no_grad():
        for name, target in own.items():
            source = weights.get(name)
            if source is None:
                fresh.append(name)
            elif source.shape == target.shape:
                target.copy_(source)
            elif _has_grown(source, target):
                target.zero_()
                target[:, : source.shape[1]].copy_(source)
            else:
                raise MilaError(
                    f"{name} cannot be taken over: {tuple(source.shape)} are not the first inputs "
                    f"of {tuple(target.shape)}; was it another network?"
                )
    if len(fresh) == len(own):
        raise MilaError("none of the weights has a name of this network's; was it another one?")
    return fresh


def _has_grown(source: Tensor, target: Tensor) -> bool:
    return (
        source.ndim == target.ndim == 4
        and source.shape[0] == target.shape[0]
        and source.shape[1] < target.shape[1]
        and source.shape[2:] == target.shape[2:]
    )
