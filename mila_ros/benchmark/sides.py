# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is compared: models or networks, each with settings of its own."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mila_ros.errors import MilaError
from mila_ros.evaluation.flops import EVERYTHING, Counter
from mila_ros.networks import Network, build_network
from mila_ros.streaming import Bundle, EveryN, Perception, load_bundle, read_bundle
from mila_ros.streaming.description import parse_description

CLASSES = 19
"""Of a network's segmentation without a bundle: Cityscapes'."""

TASKS = ("segmentation", "depth", "motion")
NETWORK_SIZE = (256, 512)
NETWORK_KEYFRAME_EVERY = 5


@dataclass(frozen=True)
class Side:
    """One column of the comparison.

    Attributes:
        model: Name or folder of a bundle; empty for a network with random weights.
        network: Such a network, ``NAME`` or ``NAME:KEY=VALUE,...``.
        engine, precision, device: As :class:`Perception` takes them.
        size: Height and width of network and images; None for the model's own.
        keyframe_every: None for the model's own.
        tasks: None for all.
        cameras: Streams that take turns.
    """

    model: str
    network: str
    engine: str
    precision: str
    device: str
    size: tuple[int, int] | None
    keyframe_every: int | None
    tasks: tuple[str, ...] | None
    cameras: int

    def description(self) -> Bundle:
        """The bundle, or one made up for the network, in the side's size.

        Raises:
            MilaError: There is no such model, network or task.
        """
        if self.model:
            bundle = read_bundle(self.model)
        else:
            bundle = _made_up(self.network, self.tasks or TASKS)
        if unknown := set(self.tasks or ()) - set(bundle.task_names):
            raise MilaError(
                f"{bundle.name} has no task {', '.join(sorted(unknown))}; it has "
                f"{', '.join(bundle.task_names)}"
            )
        if self.size is not None:
            height, width = self.size
            spec = dataclasses.replace(bundle.input, height=height, width=width)
            bundle = dataclasses.replace(bundle, input=spec)
        every = self.keyframe_every or bundle.keyframe_every
        return dataclasses.replace(bundle, keyframe_every=every)

    def load(self, bundle: Bundle, threads: int) -> Perception:
        """Ready but for its first frames.

        Raises:
            MilaError: Something that it asks for is not there.
        """
        if self.model:
            _, network = load_bundle(self.model)
        else:
            torch.manual_seed(0)
            network = _network(bundle).eval().requires_grad_(False)
        return Perception(
            bundle,
            network,
            self.device,
            EveryN(bundle.keyframe_every, math.inf),  # the interval asked for, however long
            threads,
            precision=self.precision,
            engine=self.engine,
        )


def combinations(settings: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """One dictionary for each choice of one value per setting; the last setting changes first."""
    for values in itertools.product(*settings.values()):
        yield dict(zip(settings, values, strict=True))


def gmac(bundle: Bundle, tasks: Sequence[str]) -> dict[str, float]:
    """Billions of multiply-accumulates of a keyframe, of a frame between, and of their mean.

    The papers' rule over the whole network, see :data:`mila_ros.evaluation.flops.EVERYTHING`.
    """
    costs: dict[bool, float] = {}
    with torch.device("meta"), torch.no_grad():
        network = _network(bundle).eval()
        image, state = torch.empty(1, 3, *bundle.input_size), None
        for keyframe in (True, False, False, True):
            keyframe = keyframe or network.slow_only
            with Counter(network, rules=EVERYTHING) as counter:
                _, state = network(image, state, keyframe=keyframe, tasks=tasks)
            costs[keyframe] = counter.gmac
    key, every = costs[True], 1 if network.slow_only else bundle.keyframe_every
    between = costs.get(False, key)
    mean = (key + (every - 1) * between) / every
    return {"key": round(key, 6), "between": round(between, 6), "mean": round(mean, 6)}


def _network(bundle: Bundle) -> Network:
    try:
        return build_network(bundle.network, bundle.tasks, **bundle.network_arguments)
    except (ValueError, TypeError, RuntimeError) as error:
        raise MilaError(
            f"the network {bundle.name} cannot be built: {str(error).splitlines()[0]}"
        ) from error


def _made_up(text: str, tasks: Sequence[str]) -> Bundle:
    """A description with which random weights can be run like a model."""
    name, _, rest = text.partition(":")
    arguments: dict[str, Any] = {}
    for pair in filter(None, re.split(r",(?![^\[]*\])", rest)):  # not at commas in a list
        key, equals, value = pair.partition("=")
        if not equals:
            raise MilaError(f"{text!r}: {pair!r} is not KEY=VALUE; write for example slow=resnet50")
        try:
            arguments[key] = json.loads(value)
        except ValueError:
            arguments[key] = value
    channels = {"segmentation": CLASSES, "depth": 1, "motion": 2, "normals": 3}
    activations = {"segmentation": "softmax", "depth": "exp", "motion": "softmax"}
    if unknown := [task for task in tasks if task not in channels]:
        raise MilaError(f"unknown task {unknown[0]!r}; choose among {', '.join(channels)}")
    labels = [{"id": n, "name": f"class_{n}", "color": [n, n, n]} for n in range(CLASSES)]
    metres = {"metric": True, "min_m": 0.5, "max_m": 100.0}
    sections: dict[str, dict[str, Any]] = {
        "segmentation": {"labels": labels},
        "depth": {"depth": {**metres, "canonical_focal_px": 500.0, "assumed_hfov_deg": 75.0}},
        "motion": {"motion": {"threshold": 0.5}},
    }
    document: dict[str, Any] = {
        "format_version": 1,
        "name": name,
        "network": {"name": name, "arguments": arguments},
        "tasks": [
            {
                "name": task,
                "channels": channels[task],
                "activation": activations.get(task, "unit"),
            }
            for task in tasks
        ],
        "input": {
            "height": NETWORK_SIZE[0],
            "width": NETWORK_SIZE[1],
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "keyframes": {"every": NETWORK_KEYFRAME_EVERY},
        "training": {},
        "accuracy": {},
        "weights": {"sha256": "0" * 64, "dtype": "float32"},
    }
    for task in tasks:
        document |= sections.get(task, {})
    return parse_description(document)
