# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weightings against their formulas and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from mila_ros.errors import MilaError
from mila_ros.training.weighting import WEIGHTINGS, build_weighting

TASKS = ("segmentation", "depth", "motion")
VALUES = (0.5, 2.0, 8.0)


def losses(values=VALUES, tasks=TASKS):
    return {
        task: torch.tensor(value, requires_grad=True)
        for task, value in zip(tasks, values, strict=True)
    }


def gradients(weighting, given):
    weighting(given).backward()
    return [loss.grad.item() for loss in given.values()]


def test_equal_sums_with_fixed_weights():
    assert build_weighting("equal", TASKS)(losses()).item() == 10.5
    weighting = build_weighting("equal", TASKS, weights={"depth": 3, "motion": 0})
    assert gradients(weighting, losses()) == [1, 3, 0]


def test_losses_are_taken_by_name_not_by_place():
    weighting = build_weighting("equal", TASKS, weights={"depth": 3})
    backwards = dict(reversed(losses().items()))
    assert weighting(backwards).item() == 0.5 + 3 * 2 + 8


def test_uncertainty_starts_where_mtan_does():
    weighting = build_weighting("uncertainty", TASKS)
    expected = sum(0.5 * math.exp(0.5) * value - 0.25 for value in VALUES)
    assert weighting(losses()).item() == pytest.approx(expected)
    assert gradients(weighting, losses()) == pytest.approx([0.5 * math.exp(0.5)] * 3)


def test_uncertainty_is_least_at_the_logarithm_of_the_loss():
    weighting = build_weighting("uncertainty", TASKS)
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        weighting(losses()).backward()
        optimizer.step()
    logs = torch.tensor(VALUES).log()
    torch.testing.assert_close(weighting.log_variances.detach(), logs, rtol=0, atol=1e-5)
    assert weighting(losses()).item() == pytest.approx(sum(0.5 + 0.5 * log for log in logs))
    # There every task pulls the network with half the gradient of its log loss.
    assert gradients(weighting, losses()) == pytest.approx([0.5 / value for value in VALUES])


def test_uncertainty_learns_nothing_from_a_batch_without_labels():
    weighting = build_weighting("uncertainty", TASKS)
    given = losses((0.5, 0.0, 8.0))
    weighting(given).backward()
    assert weighting.log_variances.grad[1] == 0
    assert (weighting.log_variances.grad[[0, 2]] != 0).all()


def test_dwa_by_hand():
    weighting = build_weighting("dwa", TASKS)
    seen = []
    for means in ((4.0, 2.0, 1.0), (2.0, 2.0, 3.0), (1.0, 1.0, 3.0)):
        seen.append(gradients(weighting, losses()))
        weighting.end_of_epoch(dict(zip(TASKS, means, strict=True)))
    seen.append(gradients(weighting, losses()))
    assert seen[:2] == [[1, 1, 1]] * 2
    for weights, ratios in zip(seen[2:], ((0.5, 1, 3), (0.5, 0.5, 1)), strict=True):
        powers = [math.exp(ratio / 2) for ratio in ratios]
        assert weights == pytest.approx([3 * power / sum(powers) for power in powers])


def test_dwa_knows_nothing_of_an_epoch_without_labels():
    weighting = build_weighting("dwa", TASKS)
    for means in ((4.0, 2.0, 1.0), (2.0, 2.0, 0.0), (1.0, 1.0, 3.0)):
        weighting.end_of_epoch(dict(zip(TASKS, means, strict=True)))
        assert not (weighting.epochs == 2 and weighting.weights[2] < weighting.weights[0])
    powers = [math.exp(ratio / 2) for ratio in (0.5, 0.5, 3.0)]  # 3 after 1 of two epochs ago
    assert weighting.weights.tolist() == pytest.approx(
        [3 * power / sum(powers) for power in powers]
    )
    never = build_weighting("dwa", TASKS)
    for means in ((4.0, 2.0, 0.0), (4.0, 2.0, 0.0)):
        never.end_of_epoch(dict(zip(TASKS, means, strict=True)))
    assert never.weights.tolist() == pytest.approx([1, 1, 1])


def test_dwa_is_almost_equal_when_hot():
    weighting = build_weighting("dwa", TASKS, temperature=1e6)
    for means in ((4.0, 2.0, 1.0), (2.0, 2.0, 3.0)):
        weighting.end_of_epoch(dict(zip(TASKS, means, strict=True)))
    assert gradients(weighting, losses()) == pytest.approx([1, 1, 1], abs=1e-5)


def test_dwa_wants_every_tasks_mean():
    with pytest.raises(ValueError, match="motion"):
        build_weighting("dwa", TASKS).end_of_epoch({"segmentation": 1, "depth": 1})


def test_gls_is_the_geometric_mean_and_its_gradient():
    weighting = build_weighting("gls", TASKS)
    assert weighting(losses()).item() == pytest.approx(2)  # the cube root of 8
    assert gradients(weighting, losses()) == pytest.approx([2 / (3 * value) for value in VALUES])


def test_focused_gls_multiplies_by_the_focused_tasks_mean():
    weighting = build_weighting("gls", TASKS, focused=["segmentation", "motion"])
    total = 2 * math.sqrt(0.5 * 8)
    assert weighting(losses()).item() == pytest.approx(total)
    expected = [total * (1 / 3 + 1 / 2) / 0.5, total / 3 / 2, total * (1 / 3 + 1 / 2) / 8]
    assert gradients(weighting, losses()) == pytest.approx(expected)


def test_gls_does_not_care_for_the_scale_of_a_loss():
    weighting = build_weighting("gls", TASKS)
    assert weighting(losses((0.5, 2000.0, 8.0))).item() == pytest.approx(2 * 10)


def test_gls_of_tiny_losses_neither_underflows_nor_explodes():
    weighting = build_weighting("gls", TASKS)
    assert weighting(losses((1e-15, 1e-6, 1e-6))).item() == pytest.approx(1e-19 ** (1 / 3))
    pulls = gradients(weighting, losses((1e-15, 1e-6, 1e-6)))
    assert pulls[0] == 0 and all(map(math.isfinite, pulls))
    half = {task: loss.detach().half() for task, loss in losses((1e-5, 1e-5, 1e-5)).items()}
    assert weighting(half).dtype == torch.float32
    assert weighting(half).item() == pytest.approx(1e-5, rel=0.02)


def test_gls_leaves_out_a_task_without_labels():
    weighting = build_weighting("gls", TASKS, focused=["segmentation"])
    total = weighting(losses((0.0, 2.0, 8.0)))
    assert total.item() == pytest.approx(4)
    assert gradients(weighting, losses((0.0, 2.0, 8.0))) == pytest.approx([0, 1, 0.25])
    nothing = losses((0.0, 0.0, 0.0))
    assert weighting(nothing) == 0 and gradients(weighting, nothing) == [0, 0, 0]


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_some_of_the_tasks_are_weighed_as_those_they_are(name):
    """ASTMT has one loss at a time."""
    weighting = build_weighting(name, TASKS)
    for means in ((4.0, 2.0, 1.0), (2.0, 2.0, 3.0)):
        weighting.end_of_epoch(dict(zip(TASKS, means, strict=True)))
    some = weighting({"motion": torch.tensor(2.0)})
    power = math.exp(3 / 2) / (math.exp(0.25) + math.exp(0.5) + math.exp(1.5))
    expected = {
        "equal": 2.0,
        "uncertainty": math.exp(0.5) - 0.25,
        "dwa": 2 * 3 * power,
        "gls": 2.0,
    }
    assert some.item() == pytest.approx(expected[name])


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_loss_that_is_no_number_is_not_hidden(name):
    given = losses() | {"depth": torch.tensor(math.nan)}
    assert build_weighting(name, TASKS)(given).isnan()


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_resumed_weighting_goes_on_alike(name):
    def epoch(weighting, values):
        optimizer = torch.optim.SGD([*weighting.parameters(), torch.zeros(1)], lr=0.1)
        optimizer.zero_grad()
        weighting(losses(values)).backward()
        optimizer.step()
        weighting.end_of_epoch(dict(zip(TASKS, values, strict=True)))

    whole = build_weighting(name, TASKS)
    for values in ((4.0, 2.0, 1.0), (2.0, 2.0, 3.0)):
        epoch(whole, values)
    resumed = build_weighting(name, TASKS)
    resumed.load_state_dict(whole.state_dict())
    for weighting in (whole, resumed):
        epoch(weighting, (1.0, 1.5, 2.0))
    assert torch.equal(whole(losses()), resumed(losses()))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gradnorm", {}, "'gradnorm'; choose one of equal, uncertainty, dwa, gls"),
        ("gls", {"focussed": ["depth"]}, "no argument 'focussed'; it takes focused, floor"),
        ("uncertainty", {"s": 1}, "no argument 's'; it takes none"),
        ("gls", {"focused": ["edges"]}, "focused names 'edges', which is not trained"),
        ("gls", {"focused": ["depth", "depth"]}, "names a task twice"),
        ("gls", {"floor": 0}, "floor must be above 0"),
        ("gls", {"floor": "1e-7"}, "value is of the wrong kind"),
        ("equal", {"weights": "abc"}, "value is of the wrong kind"),
        ("equal", {"weights": {"edges": 1}}, "weights names 'edges', which is not trained"),
        ("equal", {"weights": {"depth": -1}}, "weight of depth, -1, must be"),
        ("equal", {"weights": {"depth": math.nan}}, "weight of depth, nan, must be"),
        ("dwa", {"temperature": 0}, "temperature must be above 0"),
    ],
)
def test_what_does_not_fit_is_said(name, arguments, message):
    with pytest.raises(MilaError, match=message):
        build_weighting(name, TASKS, **arguments)


def test_unknown_and_no_losses_are_refused():
    weighting = build_weighting("equal", TASKS)
    for wrong in ({}, {"edges": torch.tensor(1.0)}):
        with pytest.raises(ValueError, match="wanted"):
            weighting(wrong)
