# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play many sources, in this process or in several, and put together what they gave.

Sources are put together in their order, whoever played them, and every process computes with the
same number of threads, so that the figures do not depend on the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mila_ros.errors import MilaError
from mila_ros.processes import worker_processes
from mila_ros.streaming import load_bundle

from .plan import Plan, Played
from .play import Player
from .scores import Scores
from .sources import LabelledSource


@dataclass(frozen=True)
class Machine:
    """Where and how the model runs; see :class:`mila_ros.streaming.Perception`."""

    model: Path
    device: str
    precision: str
    threads: int
    engine: str

    def player(self, plan: Plan) -> Player:
        """The model, loaded.

        Raises:
            MilaError: The model or the device is not there.
        """
        bundle, network = load_bundle(self.model)
        return Player(bundle, network, plan, self.device, self.precision, self.threads, self.engine)


def play_all(
    player: Player,
    machine: Machine,
    sources: Sequence[LabelledSource],
    jobs: int = 1,
    advance: Callable[[int], None] = lambda frames: None,
) -> list[Played]:
    """What each source gave, in order.

    Args:
        player: The model, for one process.
        machine: How others load it.
        sources: What to play.
        jobs: Processes.
        advance: Called with a number of frames as they are done.

    Raises:
        MilaError: A source cannot be read.
    """
    if jobs == 1 or len(sources) == 1:
        return [player.play(source, lambda _: advance(1)) for source in sources]
    return list(_in_processes(player.plan, machine, sources, jobs, advance))


def total(played: Sequence[Played], interval: int) -> Scores | None:
    """All ages of all sources together; None where nothing was scored."""
    merged: Scores | None = None
    for one in played:
        for _, scores in sorted(one.scores[interval].items()):
            merged = merged or Scores(scores.scheme)
            merged.merge(scores)
    return merged


def by_age(played: Sequence[Played], interval: int) -> dict[int, Scores]:
    """All sources together, by frames since the keyframe."""
    merged: dict[int, Scores] = {}
    for one in played:
        for age, scores in one.scores[interval].items():
            merged.setdefault(age, Scores(scores.scheme)).merge(scores)
    return dict(sorted(merged.items()))


_player: Player | None = None  # of a worker process


def _in_processes(
    plan: Plan,
    machine: Machine,
    sources: Sequence[LabelledSource],
    jobs: int,
    advance: Callable[[int], None],
) -> Iterator[Played]:
    with worker_processes(min(jobs, len(sources)), _start, (machine, plan)) as pool:
        futures = [pool.submit(_play, source) for source in sources]
        for source, future in zip(sources, futures, strict=True):
            yield future.result()
            advance(len(source))


def _start(machine: Machine, plan: Plan) -> None:
    global _player
    _player = machine.player(plan)


def _play(source: LabelledSource) -> Played:
    assert _player is not None
    try:
        return _player.play(source)
    except MilaError as error:
        # Its own class may not survive the way back.
        raise MilaError(str(error)) from None
