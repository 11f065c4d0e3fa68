# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What imitation of an example costs, in closed form."""

from __future__ import annotations

import pytest
import torch

from mila_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from mila_ros.training.imitation import forgetting_loss, imitation_loss


def test_what_imitation_costs() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    p, q = theirs.softmax(1), ours.softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean((1, 2))
    torch.testing.assert_close(imitation_loss(SEGMENTATION, ours, theirs), divergence)
    cosine = 1 - (ours * theirs).sum(1) / (ours.norm(dim=1) * theirs.norm(dim=1))
    torch.testing.assert_close(imitation_loss(NORMALS, ours, theirs), cosine.mean((1, 2)))
    p, q = theirs.sigmoid(), ours.sigmoid()
    bits = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(
        imitation_loss(EDGES, ours, theirs), bits.mean((1, 2, 3)), atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(
        imitation_loss(DEPTH, ours[:, :1], theirs[:, :1]),
        (ours[:, :1] - theirs[:, :1]).abs().mean((1, 2, 3)),
    )
    for task in (SEGMENTATION, DEPTH, NORMALS, EDGES):
        assert imitation_loss(task, ours, ours).abs().max() < 1e-6


def test_only_pictures_without_a_label_imitate() -> None:
    ours, theirs = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    depth = torch.zeros(2, 8, 8)
    depth[0, 3, 3] = 2.0  # one picture has a label, at one pixel
    loss = forgetting_loss({"depth": DEPTH}, {"depth": ours}, {"depth": theirs}, {"depth": depth})
    assert loss.item() == pytest.approx(0.5)
