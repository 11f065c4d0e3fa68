# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sides timed in turn, round by round, so that what else the machine does meets all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mila_ros.streaming import Frame, Perception
from mila_ros.streaming.devices import resolve_device

from .sides import Side, gmac

STAGES = ("preprocess", "network", "postprocess", "total")
_FRAME_NS = 100_000_000
_IMAGES = 8


class Runner:
    """A side that is loaded, with its cameras' streams and what was measured so far.

    Args:
        side: What to load.
        threads: 0 leaves PyTorch's number.

    Raises:
        MilaError: Something that it asks for is not there.
    """

    def __init__(self, side: Side, threads: int) -> None:
        self.side = side
        device = resolve_device(side.device)
        on_gpu = device.type == "cuda"
        before = _resident_mib()
        gpu_before = torch.cuda.memory_allocated(device) if on_gpu else 0
        _forget_peak()
        begin = time.perf_counter()
        self._bundle = side.description()
        self._perception: Perception = side.load(self._bundle, threads)
        self.load_s = time.perf_counter() - begin
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
        begin = time.perf_counter()
        self._perception.warm_up(*self._bundle.input_size)
        self.warm_up_s = time.perf_counter() - begin
        rng = np.random.default_rng(0)
        shape = (_IMAGES, *self._bundle.input_size, 3)
        self._images = rng.integers(0, 256, shape, dtype=np.uint8)
        self._ticks = 0
        self.frames: list[Frame] = []
        self.round_s: list[float] = []  # a frame, mean of each round
        self.play(self._bundle.keyframe_every + 1)  # the streams' own beginnings are not measured
        self.frames.clear()
        self.round_s.clear()
        self.resident_mib = _resident_mib() - before
        self.peak_mib = _peak_mib() - before
        # Before the next side is loaded: PyTorch counts what the whole process takes.
        self.gpu_peak_mib: float | None = None
        if on_gpu:
            self.gpu_peak_mib = (torch.cuda.max_memory_allocated(device) - gpu_before) / 2**20

    @property
    def keyframe_every(self) -> int:
        return self._bundle.keyframe_every

    def play(self, ticks: int) -> None:
        """So many frames of every camera, in turn."""
        frames = []
        for _ in range(ticks):
            self._ticks += 1
            for camera in range(self.side.cameras):
                frames.append(
                    self._perception.step(
                        self._images[(self._ticks + camera) % _IMAGES],
                        stamp_ns=self._ticks * _FRAME_NS,
                        camera=f"camera_{camera}",
                        tasks=self.side.tasks,
                    )
                )
        self.round_s.append(statistics.fmean(frame.timings_ms["total"] for frame in frames) / 1e3)
        # The maps are large and are not wanted.
        self.frames += [_without_maps(frame) for frame in frames]

    def row(self, first: Runner) -> dict[str, Any]:
        """The figures, ready for JSON; ``speedup`` is against another side, round by round."""
        perception, bundle = self._perception, self._bundle
        kinds = {
            "key": [frame for frame in self.frames if frame.is_keyframe],
            "between": [frame for frame in self.frames if not frame.is_keyframe],
            "all": self.frames,
        }
        kinds = {kind: frames for kind, frames in kinds.items() if frames}
        tasks = list(self.side.tasks or bundle.task_names)
        ratios = [a / b for a, b in zip(first.round_s, self.round_s, strict=True)]
        height, width = bundle.input_size
        row = {
            "model": bundle.name if self.side.model else self.side.network,
            "random_weights": not self.side.model,
            "engine": perception.engine.name,
            "precision": perception.precision,
            "height": height,
            "width": width,
            # 1 too of a network that knows keyframes only
            "keyframe_every": bundle.keyframe_every if "between" in kinds else 1,
            "tasks": tasks,
            "cameras": self.side.cameras,
            "frames_per_s": round(1 / statistics.fmean(self.round_s), 2),
            "speedup": round(statistics.median(ratios), 3),
            "ms": {kind: percentiles(_times(frames)) for kind, frames in kinds.items()},
            "stages_ms": {
                kind: {
                    stage: round(statistics.median(_times(frames, stage)), 3) for stage in STAGES
                }
                for kind, frames in kinds.items()
            },
            "gmac": gmac(bundle, tasks),
            "load_s": round(self.load_s, 2),
            "warm_up_s": round(self.warm_up_s, 2),
            "resident_mib": round(self.resident_mib, 1),
            "peak_mib": round(self.peak_mib, 1),
        }
        # What the model's card states for the same interval.
        accuracy = bundle.accuracy.get(f"keyframe_every_{row['keyframe_every']}")
        row["accuracy"] = dict(accuracy) if isinstance(accuracy, Mapping) else {}
        if self.gpu_peak_mib is not None:
            row["gpu_peak_mib"] = round(self.gpu_peak_mib, 1)
        return row


def compare(
    runners: Sequence[Runner], rounds: int, frames: int, tick: Callable[[], object]
) -> list[dict[str, Any]]:
    """Let the sides play in turn.

    Args:
        runners: The sides; the first is what the others' speed is compared with.
        rounds: How often each has its turn.
        frames: Of a turn at least, per camera; turns are whole keyframe intervals of every side.
        tick: Called after every turn.
    """
    longest = max(runner.keyframe_every for runner in runners)
    for _ in range(rounds):
        for runner in runners:
            every = runner.keyframe_every
            runner.play(-(-max(frames, longest) // every) * every)
            tick()
    return [runner.row(runners[0]) for runner in runners]


def percentiles(values: Sequence[float]) -> dict[str, float | int]:
    """``p50``, ``p95``, ``p99`` (linear between samples), ``mean`` and the number of frames."""
    p50, p95, p99 = (round(float(v), 3) for v in np.percentile(values, (50, 95, 99)))
    mean = round(statistics.fmean(values), 3)
    return {"p50": p50, "p95": p95, "p99": p99, "mean": mean, "frames": len(values)}


def _times(frames: Sequence[Frame], stage: str = "total") -> list[float]:
    return [frame.timings_ms[stage] for frame in frames]


def _without_maps(frame: Frame) -> Frame:
    return Frame(
        frame.camera,
        frame.stamp_ns,
        frame.is_keyframe,
        frame.keyframe_age,
        frame.keyframe_age_s,
        frame.reset_cause,
        frame.timings_ms,
    )


def _forget_peak() -> None:
    """Let :func:`_peak_mib` begin anew; where the system does not allow it, it does not."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass


def _peak_mib() -> float:
    """The most memory that this process had since the peak was forgotten."""
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _resident_mib() -> float:
    """Memory of this process now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return pages * 4096 / 2**20
