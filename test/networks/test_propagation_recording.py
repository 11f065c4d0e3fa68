# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Propagation by optical flow sends nothing from the host to the device, so it can be recorded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mila_ros.engines.cuda_graphs import Borrowed
from mila_ros.networks.optical_flow import warp
from mila_ros.networks.propagation import OpticalFlowPropagation, Source


def flow(current: Tensor, source: Tensor) -> Tensor:
    return (current - source)[:, :2, ::2, ::2]


def sources() -> list[Source]:
    generator = torch.Generator().manual_seed(0)
    return [
        Source(
            torch.randn(1, 6, 5, 7, generator=generator),
            torch.randn(1, 3, 18, 27, generator=generator),
        )
        for _ in range(2)
    ]


@torch.inference_mode()
def test_flow_is_scaled_without_a_tensor_of_numbers() -> None:
    current, source = sources()
    with Borrowed() as borrowed:
        OpticalFlowPropagation(flow)(current, source)
    given = {id(current.embedding), id(source.embedding), id(source.value)}
    assert borrowed.tensors.keys() == given


@torch.inference_mode()
def test_the_numbers_are_those_of_one_product() -> None:
    current, source = sources()
    found = OpticalFlowPropagation(flow)(current, source)
    coarse = F.interpolate(
        flow(current.embedding, source.embedding), (5, 7), mode="bilinear", align_corners=False
    )
    scale = torch.tensor([7 / 27, 5 / 18]).view(1, 2, 1, 1)
    assert torch.equal(found, warp(source.value, coarse * scale))
