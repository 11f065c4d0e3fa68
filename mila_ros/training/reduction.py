# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How losses are averaged, and in which precision."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """``x`` in 32 bits, where it comes in 16 from mixed precision; 64 stay."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def masked_mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean of the finite ``values`` where ``known``, both of one shape; 0 if that is nowhere."""
    return (values * known).sum() / known.sum().clamp_min(1)
