# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bilinear resizing in an exported graph, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mila_ros.networks.resizing import resize_bilinear


class Resize(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        return resize_bilinear(maps, self.size)


@pytest.mark.parametrize(
    ("before", "after"),
    [((32, 64), (256, 512)), ((33, 65), (257, 513)), ((9, 7), (10, 30)), ((8, 8), (8, 8)),
     ((1, 5), (4, 20)), ((12, 10), (5, 3))],
)  # fmt: skip
def test_an_exported_graph_resizes_as_pytorch_does(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    maps = torch.randn(2, 3, *before, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(Resize(after), (maps,), strict=False)
    assert not any("upsample" in str(node.target) for node in program.graph.nodes)
    expected = F.interpolate(maps.double(), after, mode="bilinear", align_corners=False)
    for ours in (program.module()(maps), resize_bilinear(maps, after)):
        torch.testing.assert_close(ours.double(), expected, rtol=0, atol=1e-4)
