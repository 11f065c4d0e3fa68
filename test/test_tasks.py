# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Activations of the tasks, and what a task refuses."""

from __future__ import annotations

import math

import pytest
import torch

from mila_ros.tasks import DEPTH, EDGES, MOTION, NORMALS, SEGMENTATION, TASKS, Task


def test_activations_in_closed_form():
    logits = torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1)
    torch.testing.assert_close(MOTION.activate(logits).flatten(), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(DEPTH.activate(torch.tensor([[[[2.0]]]])).item(), math.exp(2.0))
    vector = torch.tensor([3.0, 0.0, 4.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(NORMALS.activate(vector).flatten(), torch.tensor([0.6, 0.0, 0.8]))
    torch.testing.assert_close(EDGES.activate(logits).flatten(), torch.tensor([0.5, 0.75]))
    plain = Task("disparity", 1, "identity")
    assert plain.activate(vector) is vector


def test_a_zero_normal_stays_finite():
    assert NORMALS.activate(torch.zeros(1, 3, 1, 1)).abs().sum() == 0


def test_tasks_are_found_by_name_and_take_other_classes():
    assert TASKS["segmentation"] is SEGMENTATION
    assert SEGMENTATION.with_channels(11) == Task("segmentation", 11, "softmax")


@pytest.mark.parametrize(
    "arguments, words",
    [(("a b", 1, "exp"), "identifier"), (("a", 0, "exp"), "channel"), (("a", 1, "tanh"), "tanh")],
)
def test_bad_tasks_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        Task(*arguments)
