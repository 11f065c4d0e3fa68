# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each form of inter-frame local attention against ``unfold`` and a plain copy, in turn.

Two floors. The copy moves as many bytes as reading query, key and value once and writing the result
once. The arithmetic is 2·L²·(query channels + channels) operations a pixel, in float32 whatever the
maps are, at the rate of a large float32 matrix product. ``over_floor`` is a form's time over the
larger of the two: no form that does the arithmetic can reach less than 1. All maps are taken from a
ring of several, as they are between the layers of a network, so that none of them is still in the
cache from the call before.

``python benchmarks/local_attention.py --json benchmarks/results/local_attention_cpu.json``
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from report import write_report
from torch import Tensor

from mila_ros.networks.local_attention import (
    inter_frame_local_attention,
    local_attention_backend,
    unavailable,
)

# Channels of query and value: MILA at 256×512, then two small networks.
CHANNELS = [(32, 512), (16, 96), (16, 64)]
HEIGHT, WIDTH = 33, 65
MATRIX = 768  # side of the matrices whose product shows the rate of arithmetic
WINDOWS = (5, 3, 7)
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def unfold_attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """What one writes first: every pixel's window copied out by ``unfold``."""
    batch, channels, height, width = value.shape
    pad, places, pixels = window // 2, window * window, height * width
    keys = F.unfold(key, window, padding=pad).view(batch, -1, places, pixels)
    values = F.unfold(value, window, padding=pad).view(batch, channels, places, pixels)
    inside = F.unfold(torch.ones_like(value[:, :1]), window, padding=pad) > 0
    scores = (query.flatten(2).unsqueeze(2) * keys).sum(1).masked_fill(~inside, -torch.inf)
    result = (values * scores.softmax(1).unsqueeze(1)).sum(2)
    return result.view(batch, channels, height, width)


def milliseconds(function: Callable[[], Tensor], device: torch.device) -> float:
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) * 1e3


Maps = tuple[Tensor, Tensor, Tensor]


class Ring:
    """Several sets of the same maps, each side in the layout that it is fastest with."""

    def __init__(self, sets: int, size: tuple[int, int], dtype: torch.dtype, device: torch.device):
        torch.manual_seed(0)
        query_channels, channels = size
        shapes = [(1, query_channels, HEIGHT, WIDTH)] * 2 + [(1, channels, HEIGHT, WIDTH)]
        self.nchw: list[Maps] = [
            tuple(torch.randn(s, device=device).to(dtype) for s in shapes) for _ in range(sets)
        ]
        self.nhwc: list[Maps] = [
            tuple(t.contiguous(memory_format=torch.channels_last) for t in maps)
            for maps in self.nchw
        ]
        half = (2 * query_channels + 2 * channels) * HEIGHT * WIDTH // 2
        self.buffers = [torch.randn(2, half, device=device).to(dtype) for _ in range(sets)]


def attend(backend: str, maps: Maps, window: int, device: torch.device) -> float:
    with local_attention_backend(backend):
        return milliseconds(lambda: inter_frame_local_attention(*maps, window), device)


def measure(
    ring: Ring, backends: list[str], window: int, repeat: int, device: torch.device
) -> dict[str, object]:
    """Medians, and medians of the ratios within a round; a round calls every side once."""
    expected = unfold_attention(*(t.float() for t in ring.nchw[0]), window)
    differences = {}
    for backend in backends:
        with local_attention_backend(backend):
            result = inter_frame_local_attention(*ring.nhwc[0], window).float()
        differences[backend] = float(f"{(result - expected).abs().max().item():.1e}")
    matrix = torch.randn(MATRIX, MATRIX, device=device)
    query_channels, channels = ring.nchw[0][0].shape[1], ring.nchw[0][2].shape[1]
    operations = 2 * window**2 * (query_channels + channels) * HEIGHT * WIDTH
    rounds = []
    for n in range(repeat + 2):
        n %= len(ring.nchw)
        target, source = ring.buffers[n]
        times = {b: attend(b, ring.nhwc[n], window, device) for b in backends}
        times["copy"] = milliseconds(lambda t=target, s=source: t.copy_(s), device)
        times["unfold"] = milliseconds(lambda m=ring.nchw[n]: unfold_attention(*m, window), device)
        product = milliseconds(lambda: matrix @ matrix, device)
        times["arithmetic"] = product * operations / (2 * MATRIX**3)
        rounds.append(times)
    rounds = rounds[2:]  # after warming up

    def median(of: Callable[[dict[str, float]], float], digits: int) -> float:
        return round(statistics.median(map(of, rounds)), digits)

    return {
        "ms": {name: median(lambda r, n=name: r[n], 3) for name in rounds[0]},
        "unfold_over": {b: median(lambda r, b=b: r["unfold"] / r[b], 1) for b in backends},
        "over_copy": {b: median(lambda r, b=b: r[b] / r["copy"], 2) for b in backends},
        "over_floor": {
            b: median(lambda r, b=b: r[b] / max(r["copy"], r["arithmetic"]), 2) for b in backends
        },
        "largest_difference": differences,
    }


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--types", nargs="+", choices=TYPES, default=list(TYPES))
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--sets", type=int, default=6, help="sets of maps that take turns")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    backends = ["tiles"]
    fused = "triton" if device.type == "cuda" else "cpp"
    if reason := unavailable(fused):
        print(reason)
    else:
        backends.append(fused)
    load = os.getloadavg()[0]
    rows = []
    for name in arguments.types:
        for size in CHANNELS:
            ring = Ring(arguments.sets, size, TYPES[name], device)
            for window in WINDOWS:
                for threads in arguments.threads:
                    torch.set_num_threads(threads)
                    row = {
                        "dtype": name,
                        "query_channels": size[0],
                        "channels": size[1],
                        "height": HEIGHT,
                        "width": WIDTH,
                        "window": window,
                        "threads": threads,
                        **measure(ring, backends, window, arguments.repeat, device),
                    }
                    rows.append(row)
                    print(row, flush=True)
    figures = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "repeat": arguments.repeat,
        "sets": arguments.sets,
        "load_average": {"before": round(load, 2), "after": round(os.getloadavg()[0], 2)},
        "rows": rows,
    }
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
