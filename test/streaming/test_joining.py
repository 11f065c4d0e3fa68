# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors of several cameras as one batch, without a copy wherever they lie side by side."""

from __future__ import annotations

import pytest
import torch

from mila_ros.streaming.batches import joined, parted


@pytest.mark.parametrize("format_", [torch.contiguous_format, torch.channels_last])
def test_what_was_parted_is_joined_without_a_copy(format_: torch.memory_format) -> None:
    batch = torch.randn(3, 4, 5, 6).contiguous(memory_format=format_)
    trees = parted({"a": (batch, None)}, 3)
    assert [tree["a"][0].shape for tree in trees] == [(1, 4, 5, 6)] * 3
    again = joined(trees)["a"][0]
    assert torch.equal(again, batch)
    assert again.data_ptr() == batch.data_ptr() and again.stride() == batch.stride()
    # The last two of three: still side by side.
    rest = joined(trees[1:])["a"][0]
    assert torch.equal(rest, batch[1:]) and rest.data_ptr() == batch[1].data_ptr()


@pytest.mark.parametrize("order", [(1, 0), (0, 2), (0, 0)])
def test_what_does_not_lie_side_by_side_is_copied(order: tuple[int, ...]) -> None:
    batch = torch.randn(3, 4, 5, 6)
    parts = parted((batch,), 3)
    (again,) = joined([parts[number] for number in order])
    assert torch.equal(again, batch[list(order)])
    assert again.untyped_storage().data_ptr() != batch.untyped_storage().data_ptr()


def test_strides_that_leave_gaps_or_differ_are_copied() -> None:
    batch = torch.randn(2, 4, 5, 12)
    gaps = [batch[:1, ..., ::2], batch[1:, ..., ::2]]
    assert torch.equal(joined(gaps), batch[..., ::2])
    turned = batch[:1].contiguous(memory_format=torch.channels_last)
    assert torch.equal(joined([turned, batch[1:]]), batch)
