# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a recorder counts: frames, latencies, keyframes and the causes of what is missing."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from mila_ros.ros.cameras import UNNAMED

LATENCY_LIMIT_MS = 60_000.0
"""Stamps farther than this from the system clock are of another clock."""

OPEN_FRAMES = 64
"""Frames whose outputs may still be under way; older ones are closed."""

NOT_RECEIVED = "not_received"
PERCENTILES = (50, 95, 99)
_DROPPED = "dropped."


@dataclass
class TopicCount:
    """Messages of one topic, and when they came."""

    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, now_ns: int) -> None:
        """Count a message."""
        self.messages += 1
        self.first_ns = self.first_ns or now_ns
        self.last_ns = now_ns

    @property
    def rate_hz(self) -> float | None:
        """Mean rate from the first message to the last, None before the second."""
        if self.messages < 2 or self.last_ns <= self.first_ns:
            return None
        return (self.messages - 1) * 1e9 / (self.last_ns - self.first_ns)


@dataclass(frozen=True)
class Before:
    """Where the counts begin: the node's own, and the images and answers that came before."""

    values: Mapping[str, str] = field(default_factory=dict)
    frames_in: int = 0
    answered: int = 0


@dataclass
class Recording:
    """The counts of a recording; times are nanoseconds of the system clock.

    Args:
        image_topic: The camera's images.
        output_topics: The images that answer one, without their prefix.
        node: Name of the perception node in its diagnostics, or with its camera: ``mila/front``.
    """

    image_topic: str
    output_topics: tuple[str, ...]
    node: str = "mila"
    topics: dict[str, TopicCount] = field(default_factory=dict)
    keyframes: int = 0
    _open: OrderedDict[int, tuple[int, int]] = field(default_factory=OrderedDict)
    _published_ms: array[float] = field(default_factory=lambda: array("d"))
    _received_ms: array[float] = field(default_factory=lambda: array("d"))
    _diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    _diagnostics_ns: int = 0
    _before: Before | None = None

    def count(self, topic: str, now_ns: int) -> None:
        """Count a message of any topic."""
        self.topics.setdefault(topic, TopicCount()).add(now_ns)

    def output(self, stamp_ns: int, published_ns: int, received_ns: int) -> None:
        """An output image of the frame with this stamp was published, and received here."""
        before = self._open.get(stamp_ns, (0, 0))
        self._open[stamp_ns] = max(before[0], published_ns), max(before[1], received_ns)
        while len(self._open) > OPEN_FRAMES:
            self._close(*self._open.popitem(last=False))

    def diagnostics(self, statuses: Iterable[DiagnosticStatus], now_ns: int) -> None:
        """Keep the latest values of each status of the perception node, other cameras' left out.

        What the node had counted before the recording is not the recording's.
        """
        for status in statuses:
            if status.hardware_id != "mila_ros" or not self.concerns(status.name):
                continue
            values = {pair.key: pair.value for pair in status.values}
            self._diagnostics[status.name], self._diagnostics_ns = values, now_ns
            if "received" not in values:
                continue
            if not self.frames_in:
                self._before = Before(values)
            elif self._before is None:
                is_older = int(values["received"]) > self.frames_in
                self._before = (
                    Before(values, self.frames_in, self._answered) if is_older else Before()
                )

    def concerns(self, name: str) -> bool:
        """Whether a status of this name is of the node, and not of another of its cameras."""
        node, _, what = name.partition(": ")
        _, is_input, camera = what.partition("input ")
        if not is_input:
            return self.node == node or self.node.rpartition("/")[0] == node
        return self.node == (node if camera == UNNAMED else f"{node}/{camera}")

    @property
    def frames_in(self) -> int:
        """Images that came from the camera."""
        return self._messages(self.image_topic)

    @property
    def frames_out(self) -> dict[str, int]:
        """Answers by output topic, for the outputs that there were."""
        return {
            topic: self._messages(topic) for topic in self.output_topics if topic in self.topics
        }

    def dropped(self) -> dict[str, int]:
        """Frames without an answer by cause, as the node's diagnostics have it.

        ``not_received`` are those that the recorder got and the node did not.
        """
        account, before = self._input(), self._before
        if account is None or before is None:
            return {}
        since = {
            key: max(0, int(value) - int(before.values.get(key, 0)))
            for key, value in account.items()
            if key == "received" or key.startswith(_DROPPED)
        }
        not_received = max(0, self.frames_in - before.frames_in - since.pop("received"))
        causes = {key.removeprefix(_DROPPED): count for key, count in since.items() if count}
        return causes | {NOT_RECEIVED: not_received}

    def is_settled(self) -> bool:
        """Whether every frame has its answer or a cause, by diagnostics newer than all frames."""
        latest_ns = max((self.topics[topic].last_ns for topic in self._frame_topics()), default=0)
        before = self._before
        if self._diagnostics_ns <= latest_ns or before is None:
            return False
        answered, frames = self._answered - before.answered, self.frames_in - before.frames_in
        return answered + sum(self.dropped().values()) >= frames

    def latency_ms(self) -> dict[str, float] | None:
        """Percentiles of header stamp to publication of the frame's last output."""
        open_ms = [(published - stamp) * 1e-6 for stamp, (published, _) in self._open.items()]
        return _percentiles([*self._published_ms, *open_ms])

    def received_latency_ms(self) -> dict[str, float] | None:
        """Percentiles of header stamp to reception, by the recorder, of the last output."""
        open_ms = [(received - stamp) * 1e-6 for stamp, (_, received) in self._open.items()]
        return _percentiles([*self._received_ms, *open_ms])

    def summary(self) -> dict[str, object]:
        """All counts, ready for JSON."""
        rates = {topic: count.rate_hz for topic, count in self.topics.items()}
        return {
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "dropped": self.dropped(),
            "keyframes": self.keyframes,
            "latency_ms": self.latency_ms(),
            "received_latency_ms": self.received_latency_ms(),
            "messages": {topic: count.messages for topic, count in self.topics.items()},
            "rates_hz": {topic: _rounded(rate) for topic, rate in rates.items()},
            "diagnostics": self._diagnostics,
        }

    def _close(self, stamp_ns: int, times_ns: tuple[int, int]) -> None:
        for latencies, at_ns in zip((self._published_ms, self._received_ms), times_ns, strict=True):
            latencies.append((at_ns - stamp_ns) * 1e-6)

    def _messages(self, topic: str) -> int:
        return self.topics[topic].messages if topic in self.topics else 0

    def _frame_topics(self) -> list[str]:
        return [t for t in (self.image_topic, *self.output_topics) if t in self.topics]

    @property
    def _answered(self) -> int:
        return min(self.frames_out.values(), default=0)

    def _input(self) -> Mapping[str, str] | None:
        accounts = (values for values in self._diagnostics.values() if "received" in values)
        return next(accounts, None)


def _percentiles(latencies_ms: list[float]) -> dict[str, float] | None:
    plausible = [latency for latency in latencies_ms if abs(latency) < LATENCY_LIMIT_MS]
    if not plausible:
        return None
    numbers = np.percentile(plausible, PERCENTILES)
    return {f"p{p}": round(float(n), 2) for p, n in zip(PERCENTILES, numbers, strict=True)}


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 2)
