# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ASTMT: what tasks share, what is their own, and what that costs."""

from __future__ import annotations

import pytest
import torch

from mila_ros.evaluation.flops import measure
from mila_ros.networks import build_network
from mila_ros.networks.se_resnet import Adapted, PerTask
from mila_ros.tasks import DEPTH, EDGES, HUMAN_PARTS, NORMALS, SALIENCY, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH)
PASCAL = (SEGMENTATION.with_channels(21), HUMAN_PARTS, SALIENCY, EDGES, NORMALS)
NYUD = (SEGMENTATION.with_channels(41), DEPTH, EDGES, NORMALS)


def small(**arguments):
    torch.manual_seed(0)
    return build_network("astmt", TASKS, **({"width": 4, "decoder_width": 16} | arguments)).eval()


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_adapters_start_at_zero_and_act_in_parallel_to_the_convolution():
    layer = Adapted(torch.nn.Conv2d(3, 4, 3, padding=1, bias=False), ["a", "b"], True).eval()
    x = random(1, 3, 5, 5)
    plain = layer.bn(layer.conv(x), "a")
    assert torch.equal(layer(x, "a"), plain)
    layer.adapters["a"].weight.fill_(0.5)
    expected = layer.bn(layer.conv(x) + 0.5 * x.sum(1, keepdim=True), "a")
    torch.testing.assert_close(layer(x, "a"), expected)
    assert torch.equal(layer(x, "b"), plain)


@torch.inference_mode()
def test_with_fresh_adapters_the_network_is_the_one_without():
    adapted, plain, image = small(), small(adapters=False), random(1, 3, 48, 64)
    missing, unexpected = plain.load_state_dict(adapted.state_dict(), strict=False)
    assert not missing and all(".adapters." in name for name in unexpected) and unexpected
    for task, expected in plain(image)[0].items():
        torch.testing.assert_close(adapted(image)[0][task], expected)


@torch.inference_mode()
def test_all_tasks_start_alike():
    """As from one pre-trained network: only the heads tell fresh tasks apart."""
    network, image = small(), random(1, 3, 48, 64)
    features = [network.features(image, task.name) for task in TASKS]
    assert torch.equal(*features)


@pytest.mark.parametrize("modulated", ["all", "decoder", "none"])
def test_a_tasks_loss_reaches_its_own_parameters_and_the_shared_ones_only(modulated):
    network = small(modulated=modulated).train()
    logits, _ = network(random(2, 3, 48, 64), tasks=["depth"])
    logits["depth"].square().mean().backward()
    reached = {name for name, p in network.named_parameters() if p.grad is not None}
    others = {
        name
        for name, p in network.named_parameters()
        if any(p is q for q in network.parameters_of("segmentation"))
    }
    assert reached.isdisjoint(others)
    assert reached | others == {name for name, _ in network.named_parameters()}
    assert all("segmentation" in name for name in others)
    own = [p for p in network.parameters_of("depth") if p.grad is None]
    assert own == []


@torch.inference_mode()
def test_a_modulated_encoder_runs_once_per_task_and_a_shared_one_once():
    for modulated, runs in (("all", 2), ("decoder", 1), ("none", 1)):
        network, calls = small(modulated=modulated), []
        network.encoder.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        network(random(1, 3, 32, 32))
        assert len(calls) == runs


def test_the_stem_is_shared():
    network = small()
    assert not any(isinstance(part, PerTask) for part in network.encoder.stem.modules())


@pytest.mark.parametrize("stride, size", [(8, (6, 8)), (16, (3, 4))])
def test_output_strides(stride, size):
    with torch.device("meta"):
        network = build_network("astmt", TASKS, output_stride=stride).eval()
        low, high = network.encoder(torch.empty(1, 3, 48, 64), "depth")
        features = network.features(torch.empty(1, 3, 48, 64), "depth")
    assert low.shape[2:] == (12, 16) and high.shape == (1, 2048, *size)
    assert features.shape == (1, 64, 12, 16)


@torch.inference_mode()
def test_the_denser_encoder_computes_the_strided_one_at_more_places():
    dense, strided = small(output_stride=8), small(output_stride=16)
    strided.load_state_dict(dense.state_dict())
    for network in (dense, strided):
        for part in network.modules():  # a gate's mean depends on where it is taken
            if type(part).__name__ == "SqueezeExcitation":
                part.expand.weight.zero_()
    image = random(1, 3, 64, 96)
    torch.testing.assert_close(
        dense.encoder(image, "depth")[1][:, :, ::2, ::2], strided.encoder(image, "depth")[1]
    )


@pytest.mark.parametrize(
    "tasks, arguments, parameters, discriminator, gmac",
    [
        (PASCAL, {}, 31.279, 1, 25.94),
        (PASCAL, {"adapters": False}, 25.01, 1, 24.25),
        (PASCAL, {"adapters": False, "modulated": "decoder"}, 19.29, 1, 24.25),
        (PASCAL, {"adapters": False, "modulated": "none"}, 19.26, 1, 24.25),
        (PASCAL, {"output_stride": 8, "decoder_width": 256}, 54.73, 1, 157.7),
        (PASCAL, {"encoder": "se_resnet50"}, 49.39, 1, 39.23),
        (PASCAL, {"encoder": "se_resnet101"}, 85.39, 1, 59.77),
        (NYUD, {"encoder": "se_resnet50"}, 45.02, 3, 39.25),
        (NYUD, {"encoder": "se_resnet50", "adapters": False}, 37.76, 3, 36.82),
        (NYUD, {"encoder": "se_resnet50", "adapters": False, "modulated": "none"}, 29.99, 3, 36.82),
    ],
)
def test_size_and_cost_are_those_of_the_authors_program(
    tasks, arguments, parameters, discriminator, gmac
):
    """Measured on it with its discriminator: two convolutions of the given kernel."""
    with torch.device("meta"):
        network = build_network("astmt", tasks, **arguments).eval()
        image = torch.empty(1, 3, 512, 512)
        cost = measure(network, lambda: network(image, tasks=["segmentation"]))
    width = arguments.get("decoder_width", 64)
    extra = (width * discriminator**2 + 1) * (width + len(tasks))
    digits = 3 if parameters == 31.279 else 2
    assert (cost.parameters + extra) / 1e6 == pytest.approx(parameters, abs=0.6 * 10**-digits)
    assert cost.convolutions_gmac == pytest.approx(gmac, rel=5e-4)
