# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every network promises its callers, whichever it is."""

from __future__ import annotations

import functools

import pytest
import torch

from mila_ros.networks import NETWORKS, State, build_network
from mila_ros.tasks import DEPTH, NORMALS, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH, NORMALS)
RESNET = {"encoder": "resnet18", "width": 4, "decoder_channels": (12, 8)}
MILA = {
    "slow": "resnet34",
    "slow_width": 4,
    "fast_width": 4,
    "channels": 16,
    "decoder_channels": (12, 8),
    "attention_channels": 4,
}
SMALL = {
    "astmt": {"width": 4, "decoder_width": 16},
    "cross_stitch": RESNET,
    "mila": MILA,
    "mtan": RESNET,
    "mtan_segnet": {"backbone": "segnet", "width": 4},
    "mti_net": {"width": 8},
    "mti_net_fpn": {"backbone": "fpn_resnet18", "width": 4, "pyramid_channels": 8},
    "multi_task": RESNET,
    "multi_task_hrnet": {"encoder": "hrnet18_small", "width": 4},
    "multinet": {"encoder": "resnet18", "width": 4},
    "multinet_slowfast": {"slow_fast": True, **MILA},
    "pad_net": {"width": 4, "task_channels": 16},
    "single_task": RESNET,
}


def key_of(name):
    return max((known for known in NETWORKS if name.startswith(known)), key=len)


def small(name, **arguments):
    torch.manual_seed(0)
    return build_network(key_of(name), TASKS, **(SMALL[name] | arguments)).eval()


kept = functools.cache(small)


def image(height=33, width=49, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, height, width, generator=generator)


def test_every_network_is_tested_here():
    assert {key_of(name) for name in SMALL} == set(NETWORKS)


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_logits_are_of_the_images_size_and_finite(name):
    network = kept(name)
    for size in ((33, 49), (64, 32)):
        logits, state = network(image(*size), None, keyframe=True)
        assert isinstance(state, State)
        assert {task: tuple(t.shape) for task, t in logits.items()} == {
            task.name: (1, task.channels, *size) for task in TASKS
        }
        assert all(torch.isfinite(t).all() for t in logits.values())


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_a_subset_of_tasks_gives_the_same_values(name):
    network = kept(name)
    every, _ = network(image())
    some, _ = network(image(), tasks={"depth"})
    assert set(some) == {"depth"}
    assert torch.equal(some["depth"], every["depth"])
    with pytest.raises(ValueError, match="no task edges"):
        network(image(), tasks=["edges"])


@pytest.mark.parametrize("name", [n for n in SMALL if n not in ("mila", "multinet_slowfast")])
@torch.inference_mode()
def test_every_frame_is_a_keyframe_where_there_is_one_encoder(name):
    network = kept(name)
    assert network.slow_only
    _, state = network(image(seed=1))
    key, _ = network(image(), state, keyframe=True)
    other, _ = network(image(), state, keyframe=False)
    assert torch.equal(key["depth"], other["depth"])


@pytest.mark.parametrize("name", [n for n in SMALL if n not in ("mila", "multinet_slowfast")])
@torch.inference_mode()
def test_only_multinet_remembers_the_frame_before(name):
    network = kept(name)
    _, state = network(image(seed=1))
    alone, _ = network(image())
    after, _ = network(image(), state)
    assert torch.equal(alone["depth"], after["depth"]) is (name != "multinet")


@pytest.mark.parametrize("name", [n for n in SMALL if n not in ("mila", "multinet_slowfast")])
def test_training_reaches_every_parameter(name):
    network = small(name).train()
    logits, _ = network(image(32, 32, batch=2))
    sum(t.square().mean() for t in logits.values()).backward()
    unreached = [n for n, p in network.named_parameters() if p.grad is None]
    # Initial predictions are trained through `predictions`, see the networks' own tests.
    initial = tuple(f"front.{scale}.predict." for scale in range(4)) + ("initial.",)
    assert [n for n in unreached if not n.startswith(initial)] == []


@pytest.mark.parametrize("name", SMALL)
def test_arguments_that_a_network_does_not_have_are_refused_in_words(name):
    with pytest.raises(ValueError, match="colour"):
        small(name, colour=1)
    with pytest.raises(ValueError, match="each task once"):
        build_network(key_of(name), [DEPTH, DEPTH], **SMALL[name])


@pytest.mark.parametrize(
    "name, argument, words",
    [
        ("astmt", {"encoder": "resnet50"}, "resnet50.*se_resnet26"),
        ("astmt", {"modulated": "some"}, "all, decoder, none"),
        ("astmt", {"output_stride": 32}, "8 or 16"),
        ("mtan", {"backbone": "vgg"}, "deeplab or segnet"),
        ("mti_net", {"backbone": "resnet50"}, "hrnet18_small.*fpn_resnet18"),
        ("mti_net", {"grouping": "channels"}, "tasks, adjacent"),
        ("mti_net", {"task_channels": (8, 8)}, "one per scale"),
        ("mti_net", {"auxiliary": ["depth"]}, "predicted or auxiliary"),
        ("mti_net", {"auxiliary": ["edge"]}, "'edge'.*edges"),
        ("pad_net", {"auxiliary": ["depth"]}, "predicted or auxiliary"),
        ("pad_net", {"task_channels": 18}, "multiple of 4"),
        ("multinet", {"frames": 3}, "1 or 2 frames"),
        ("multi_task", {"encoder": "vgg16"}, "vgg16"),
    ],
)
def test_misfitting_values_are_refused_in_words(name, argument, words):
    with pytest.raises(ValueError, match=words):
        small(name, **argument)
