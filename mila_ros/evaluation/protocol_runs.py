# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model evaluated as a paper evaluates: what is played, how, and what it is held against."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mila_ros.errors import MilaError
from mila_ros.networks import Network
from mila_ros.networks.base import SingleFrameNetwork
from mila_ros.streaming import Bundle

from .class_lists import ClassList, check_coarser
from .dataset_sources import DatasetSource, protocol_dataset, protocol_sources
from .papers.protocol import Protocol
from .plan import Plan
from .protocols import PROTOCOLS, conditions
from .scores import Scheme

LIST = "list"

_FIXED = {  # what a protocol says by itself
    "bags": [], "clips": [], "simulated": None, "classes": [], "keyframe_every": None,
    "keyframe_lag": 0, "offsets": "all", "max_depth": 50.0, "static_scene": False,
}  # fmt: skip


def listing() -> str:
    """All protocols, for people."""
    parts = []
    for named in PROTOCOLS.values():
        first, *others = conditions(named)
        parts.append("\n".join([first, *(f"  {line}" for line in others)]))
    return "\n\n".join(parts)


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that a protocol decides, and one without the other.

    Raises:
        MilaError: There is such an option.
    """
    if arguments.protocol is None:
        if arguments.data is not None:
            raise MilaError("--data is the data set of a --protocol; clip folders go after --clips")
        return
    for name, usual in _FIXED.items():
        if getattr(arguments, name) != usual:
            option = "BAG" if name == "bags" else f"--{name.replace('_', '-')}"
            raise MilaError(
                f"{option} cannot go with --protocol, which says by itself what is measured and "
                "how; leave one of them out"
            )
    if arguments.data is None:
        raise MilaError(
            f"--protocol {arguments.protocol} needs --data, the folder of its data set; "
            "`mila datasets list` says where to get it"
        )


def protocol_run(
    named: Protocol, root: Path, bundle: Bundle, network: Network
) -> tuple[list[DatasetSource], Plan, dict[str, Any]]:
    """What to play, how, and what is to be said about it.

    Raises:
        DatasetError: The data set is not there, or lacks a part.
        MilaError: The protocol is not about what the model predicts.
    """
    if not set(named.tasks) & set(bundle.task_names):
        raise MilaError(
            f"the protocol {named.name} is about {', '.join(named.tasks)}; the model "
            f"{bundle.name} predicts {', '.join(bundle.task_names)}"
        )
    remembers = not isinstance(network, SingleFrameNetwork)
    dataset = protocol_dataset(named, root, bundle.task_names, in_video=remembers)
    plan = _plan(named, bundle, network, dataset.taxonomy.classes if dataset.taxonomy else ())
    every = protocol_sources(named, dataset, named.before if remembers else 0)
    sources = [source for source in every if len(source) > plan.lead]
    if not sources:
        raise MilaError(
            f"no annotated frame of {named.dataset} {named.split} in {root} has the {plan.lead} "
            f"frames before it that a keyframe interval of {named.keyframe_interval} takes"
        )
    return sources, plan, _settings(named, bundle, network, len(every) - len(sources))


def compared(named: Protocol, content: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a document beside those of the paper, in the paper's units.

    Args:
        named: The protocol that the document was measured by.
        content: Of `results.document`; it has one keyframe interval.
    """
    figures = measured(content)
    return {
        "name": named.name,
        "measured": {
            metric.key: {
                "heading": metric.heading,
                "value": _scaled(figures.get(metric.key), metric.scale),
                "averaged_as_in_the_paper": metric.exact,
            }
            for metric in named.metrics
        },
        "rows": [
            {"model": row.model, "from": row.source, "figures": dict(row.figures)}
            for row in named.rows
        ],
        "conditions": conditions(named),
    }


def measured(content: Mapping[str, Any]) -> dict[str, float]:
    """Figures by key, as protocols have them: the mean over the ages of the keyframe."""
    (results,) = content["results"].values()
    by_age = list(results["by_keyframe_age"].values())
    return {key: _mean(age[key] for age in by_age) for key in results["all"]}


def _plan(named: Protocol, bundle: Bundle, network: Network, classes: Sequence[str]) -> Plan:
    predicted = tuple(label.name for label in bundle.labels)
    fine = ClassList(named.classes or "own", tuple(classes))
    if predicted and classes:
        check_coarser(fine, f"the model {bundle.name}", predicted)
    scheme = Scheme(
        predicted if classes else (),
        fine,
        max_depth_m=math.inf,
        metric=bundle.depth is None or bundle.depth.metric,
        edge_tolerance=named.edge_tolerance,
    )
    return Plan(scheme, (1 if network.slow_only else named.keyframe_interval,))


def _settings(named: Protocol, bundle: Bundle, network: Network, left_out: int) -> dict[str, Any]:
    height, width = named.size
    settings: dict[str, Any] = {"protocol": named.name, "size": f"{width}x{height}"}
    remarks = []
    if bundle.input_size != named.size:
        remarks.append(
            f"the model sees {bundle.input.width}x{bundle.input.height}; its answers are compared "
            f"at the protocol's {width}x{height}"
        )
    if network.slow_only and named.keyframe_interval > 1:
        remarks.append("of the protocol's keyframe offsets this network has only 0")
    if left_out:
        remarks.append(f"{left_out} annotated frames have too few frames before them; left out")
    return settings | {"remarks": remarks}


def _mean(values: Iterable[float | None]) -> float:
    known = list(values)
    if any(value is None for value in known):
        return math.nan
    return sum(value for value in known if value is not None) / len(known)


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None or not math.isfinite(value) else scale * value
