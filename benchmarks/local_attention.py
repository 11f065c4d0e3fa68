# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inter-frame local attention against ``unfold``, in turn in one process.

``python benchmarks/local_attention.py --json benchmarks/results/local_attention_cpu.json``
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mila_ros.environment import machine
from mila_ros.networks.local_attention import inter_frame_local_attention

# Channels of query and value, height, width, window: MILA at 256×512 first, then the small bundle.
CASES = [(32, 512, 33, 65, 5), (32, 512, 33, 65, 3), (32, 512, 33, 65, 7), (16, 96, 32, 64, 5)]


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


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    rows = []
    for query_channels, channels, height, width, window in CASES:
        torch.manual_seed(0)
        query, key = torch.randn(2, 1, query_channels, height, width, device=device)
        value = torch.randn(1, channels, height, width, device=device)
        maps = [t.contiguous(memory_format=torch.channels_last) for t in (query, key, value)]
        plain = [t.contiguous() for t in maps]  # each side gets the layout it is fastest with
        error = (
            inter_frame_local_attention(*maps, window) - unfold_attention(*plain, window)
        ).abs()
        samples: dict[str, list[float]] = {"tiles": [], "unfold": []}
        for _ in range(arguments.repeat):
            samples["tiles"].append(
                milliseconds(lambda m=maps, w=window: inter_frame_local_attention(*m, w), device)
            )
            samples["unfold"].append(
                milliseconds(lambda m=plain, w=window: unfold_attention(*m, w), device)
            )
        ratios = [u / t for t, u in zip(samples["tiles"], samples["unfold"], strict=True)]
        rows.append(
            {
                "query_channels": query_channels,
                "channels": channels,
                "height": height,
                "width": width,
                "window": window,
                "tiles_ms": round(statistics.median(samples["tiles"]), 3),
                "unfold_ms": round(statistics.median(samples["unfold"]), 3),
                "ratio": round(statistics.median(ratios), 1),
                "largest_difference": float(f"{error.max().item():.1e}"),
            }
        )
        print(rows[-1])
    if arguments.json:
        report = {
            "machine": machine(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": arguments.threads,
            "torch": torch.__version__,
            "repeat": arguments.repeat,
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
