# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``mila evaluate``: a model against ground truth, at every age of the keyframe."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mila_ros.errors import MilaError
from mila_ros.progress_bar import progress

from .options import configure

if TYPE_CHECKING:
    from mila_ros.networks import Network
    from mila_ros.streaming import Bundle

    from .papers.protocol import Protocol
    from .plan import Plan, Played
    from .sources import LabelledSource, Outline

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; the exit status.

    Raises:
        MilaError: What the options ask for cannot be had.
    """
    # torch comes with them, which --help can do without.
    from mila_ros.paths import find_model
    from mila_ros.streaming import load_bundle

    from .gather import cache_folder
    from .play import Player
    from .pool import Machine, play_all
    from .protocol_runs import LIST, compared, listing, measured
    from .protocols import comparison_table, protocol
    from .report import write_report
    from .results import document, notes, tables, write_json

    if arguments.protocol == LIST:
        print(listing())
        return 0
    named = None if arguments.protocol is None else protocol(arguments.protocol)
    _check(arguments)
    model = find_model(arguments.model)
    bundle, network = load_bundle(model)
    with cache_folder(arguments) as cache:
        sources, plan, settings = _run_of(arguments, named, bundle, network, cache)
        device, threads = arguments.device, arguments.threads
        player = Player(
            bundle, network, plan, device, arguments.precision, threads, arguments.engine
        )
        # "auto" has been decided here, by a measurement, and is not for every process to decide.
        precision, engine = player.perception.precision, player.perception.engine.name
        machine = Machine(model, device, precision, threads, engine)
        with progress("frame", sum(map(len, sources))) as bar:
            played = play_all(player, machine, sources, arguments.jobs, bar.update)
        if network.slow_only:
            settings["keyframes"] = "every frame of this network is a keyframe"
        elif plan.keyframe_lag:
            lag = f"{plan.keyframe_lag} frame{'s' if plan.keyframe_lag > 1 else ''}"
            settings["keyframes"] = f"the slow network runs beside the frames, {lag} late"
        settings |= {
            "device": str(player.perception.device),
            "engine": engine,
            "precision": precision,
            "threads": threads,
        }
        _check_measured(played, bundle, plan)
        content = document(bundle, plan, played, settings)
        if named is not None:
            content["protocol"] = compared(named, content)
        # What needs no file comes first: where one cannot be written, nothing else is lost.
        if str(arguments.json) == "-":
            print(json.dumps(content, indent=1, allow_nan=False))
        else:
            print("\n".join(notes(content)) + "\n\n" + tables(content))
            if named is not None:
                print("\n" + comparison_table(named, measured(content), bundle.name))
            if arguments.json is not None:
                write_json(content, arguments.json)
        if arguments.report is not None:
            write_report(arguments.report, content, player, sources, played)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse now what would fail when the work is done."""
    from mila_ros.simulation.dataset import check_seeds

    from .protocol_runs import check_options
    from .report import check_report

    check_options(arguments)
    sources = arguments.bags, arguments.clips, arguments.simulated, arguments.protocol
    if not any(sources):
        raise MilaError(
            "there is nothing to evaluate on; give bags, --clips, --simulated or --protocol"
        )
    if arguments.simulated is not None and arguments.seeds is None:
        raise MilaError("--simulated needs seeds, such as --seeds 950000-950039")
    if arguments.simulated is not None:
        check_seeds(arguments.seeds)
    if arguments.report is not None:
        check_report(arguments.report)
    path = arguments.json
    if path is not None and str(path) != "-" and not path.parent.is_dir():
        raise MilaError(f"{path} cannot be written: there is no folder {path.parent}; make it")
    if path is not None and path.is_dir():
        raise MilaError(f"{path} is a folder; give --json a file in it")


def _check_measured(played: Sequence[Played], bundle: Bundle, plan: Plan) -> None:
    from mila_ros.streaming.perception import DEFAULT_MAX_GAP_S

    scored = [frame for one in played for frames in one.frames.values() for frame in frames]
    led_up = sum(one.led_up for one in played)
    if led_up and not scored:
        raise MilaError(
            f"none of the {led_up} labelled frames counts: with --offsets all the first "
            f"{plan.lead} of a video only lead up to the others, and one begins anew where frames "
            f"are over {DEFAULT_MAX_GAP_S:g} s apart or differ in size; give --offsets stream"
        )
    figures = [item for frame in scored for item in frame.figures.items()]
    if not any(key != "frames" and value == value for key, value in figures):
        raise MilaError(
            f"nothing here is labelled with what the model {bundle.name} predicts: "
            f"{', '.join(bundle.task_names)}"
        )


def _run_of(
    arguments: argparse.Namespace,
    named: Protocol | None,
    bundle: Bundle,
    network: Network,
    cache: Path,
) -> tuple[Sequence[LabelledSource], Plan, dict[str, Any]]:
    """What to play, how, and what is to be said about it."""
    from .gather import given, planned, simulated
    from .protocol_runs import protocol_run

    if named is not None:
        return protocol_run(named, arguments.data, bundle, network)
    clips, bags, settings = given(arguments, bundle)
    # Before hours of rendering, not after: what does not fit the model or the options is said here.
    plan = _plan(arguments, bundle, network, [*clips, *planned(arguments), *bags])
    rendered, made = simulated(arguments, bundle, cache)
    return [*clips, *rendered, *bags], plan, settings | made


def _plan(
    arguments: argparse.Namespace,
    bundle: Bundle,
    network: Network,
    sources: Sequence[Outline],
) -> Plan:
    from .class_lists import TAXONOMIES, ClassList, check_coarser, common_classes
    from .plan import Plan
    from .scores import Scheme

    predicted = tuple(label.name for label in bundle.labels)
    labelled = [(s.name, s.classes) for s in sources if s.classes] if predicted else []
    fine = common_classes(predicted, labelled)
    names = [name for name in dict.fromkeys(arguments.classes) if name != fine.name]
    coarser = tuple(ClassList(name, TAXONOMIES[name].classes) for name in names)
    for target in coarser:
        for where, classes in [(f"the model {bundle.name}", predicted), *labelled]:
            check_coarser(target, where, classes)
    metric = bundle.depth is None or bundle.depth.metric
    scheme = Scheme(predicted, fine, coarser, arguments.max_depth, metric)
    intervals = tuple(dict.fromkeys(arguments.keyframe_every or [bundle.keyframe_every]))
    lag, least_lead = arguments.keyframe_lag, 0
    if network.slow_only:
        # Every frame of it is a keyframe, whatever is asked for; those that are scored are the
        # same as of a network that has others too, where videos are long enough for that.
        wanted = max(intervals) - 1 + lag
        if all(len(source) > wanted or source.stills for source in sources):
            least_lead = wanted
        intervals, lag = (1,), 0
    plan = Plan(scheme, intervals, arguments.offsets, arguments.static_scene, lag, least_lead)
    for source in sources:
        if len(source) <= plan.lead and not source.stills:
            raise MilaError(
                f"{source.name} has {len(source)} frames, of which none has {plan.lead} before "
                f"it, as keyframes every {max(intervals)} need; give a smaller --keyframe-every, "
                "or --offsets stream"
            )
    return plan
