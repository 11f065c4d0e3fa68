# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Maps for local attention, and what it makes of them."""

from __future__ import annotations

import torch

from mila_ros.networks.local_attention import inter_frame_local_attention_reference


def random_maps(seed, batch, cq, c, height, width, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(batch, cq, height, width)] * 2 + [(batch, c, height, width)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
            for shape in shapes]  # fmt: skip


def expected(maps, window):
    """The shift loop in float64, which its own tests hold against equations 1 and 2."""
    return inter_frame_local_attention_reference(*(t.double() for t in maps), window)
