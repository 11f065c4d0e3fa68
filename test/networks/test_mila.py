# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA: who receives from whom, the ablations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mila_ros.networks import State, build_network
from mila_ros.networks.layers import SqueezeExcitation
from mila_ros.networks.propagation import Source
from mila_ros.tasks import DEPTH, MOTION, NORMALS, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH, MOTION, NORMALS)
SMALL = {
    "slow": "resnet34",
    "slow_width": 8,
    "fast_width": 4,
    "channels": 16,
    "decoder_channels": (12, 8),
    "attention_channels": 4,
}


def small_mila(seed=0, tasks=TASKS, **arguments):
    torch.manual_seed(seed)
    return build_network("mila", tasks, **(SMALL | arguments)).eval()


def video(frames, seed=0, size=(40, 56)):
    return list(torch.randn(frames, 1, 3, *size, generator=torch.Generator().manual_seed(seed)))


def run(network, images, keyframes, **arguments):
    state, outputs = None, []
    for image, keyframe in zip(images, keyframes, strict=True):
        logits, state = network(image, state, keyframe=keyframe, **arguments)
        outputs.append(logits)
    return outputs, state


@torch.inference_mode()
def test_outputs_have_each_tasks_channels_at_the_images_size():
    outputs, _ = run(small_mila(), video(2), [True, False])
    for logits in outputs:
        assert {name: tuple(t.shape) for name, t in logits.items()} == {
            task.name: (1, task.channels, 40, 56) for task in TASKS
        }


@torch.inference_mode()
def test_a_nonkeyframe_receives_from_the_last_keyframe_and_the_last_nonkeyframe():
    """Frame 3 depends on frames 1 (key) and 2 (non-key) but not on frame 0 (section 3.1)."""
    network, images, kinds = small_mila(), video(4), [True, True, False, False]
    base = run(network, images, kinds)[0][3]
    for changed, expected in ((0, False), (1, True), (2, True)):
        other = list(images)
        other[changed] = video(1, seed=9)[0]
        result = run(network, other, kinds)[0][3]
        for task in TASKS:
            same = torch.equal(result[task.name], base[task.name])
            assert same is not expected, (changed, task.name)


@torch.inference_mode()
def test_a_keyframe_receives_from_the_last_nonkeyframe_only():
    network, images, kinds = small_mila(), video(3), [True, False, True]
    key, nonkey = video(1, seed=9)[0], video(1, seed=8)[0]
    _, state = run(network, images[:2], kinds[:2])
    _, other_key = run(network, [key], [True])
    same = network(images[2], State(other_key.key, state.last), keyframe=True)[0]
    base = network(images[2], state, keyframe=True)[0]
    assert torch.equal(same["depth"], base["depth"])
    _, other_last = run(network, [images[0], nonkey], [True, False])
    different = network(images[2], other_last, keyframe=True)[0]
    assert not torch.equal(different["depth"], base["depth"])


@torch.inference_mode()
def test_the_first_frame_takes_itself_for_the_sources_it_lacks():
    network, image = small_mila(), video(1)[0]
    first, _ = network(image, None, keyframe=False)
    itself = {name: b.source(network.encode(image, False)) for name, b in network.branches.items()}
    again, _ = network(image, State(key=itself, last=itself), keyframe=False)
    for name in first:
        torch.testing.assert_close(first[name], again[name])


@torch.inference_mode()
def test_each_encoder_runs_on_its_own_frames_only():
    network, ran = small_mila(), []
    network.slow.register_forward_hook(lambda *_: ran.append("slow"))
    network.fast.register_forward_hook(lambda *_: ran.append("fast"))
    run(network, video(4), [True, False, False, True])
    assert ran == ["slow", "fast", "fast", "slow"]


@torch.inference_mode()
def test_h_of_a_frame_is_computed_once():
    network, calls = small_mila(tasks=(DEPTH,)), []
    network.branches["depth"].propagation.h.register_forward_hook(lambda *_: calls.append(1))
    run(network, video(5), [True, False, False, False, True])
    assert len(calls) == 5


@torch.inference_mode()
def test_a_subset_of_tasks_gives_the_same_values_and_forgets_the_rest():
    network, images, kinds = small_mila(), video(3), [True, False, False]
    every, _ = run(network, images, kinds)
    some, state = run(network, images, kinds, tasks={"depth"})
    for one, other in zip(every, some, strict=True):
        assert set(other) == {"depth"}
        assert torch.equal(one["depth"], other["depth"])
    assert set(state.key) == set(state.last) == {"depth"}
    _, state = run(network, images[:2], kinds[:2])
    _, state = network(images[2], state, keyframe=False, tasks=["motion"])
    assert set(state.key) == set(state.last) == {"motion"}


@torch.inference_mode()
def test_state_does_not_grow():
    network, state, sizes = small_mila(), None, []
    for n, image in enumerate(video(12)):
        _, state = network(image, state, keyframe=n % 5 == 0)
        sizes.append(sum(t.numel() for part in (state.key, state.last)
                         for source in part.values() for t in source if t is not None))  # fmt: skip
    assert len(set(sizes[1:])) == 1 and sizes[0] < sizes[1]


@torch.inference_mode()
def test_without_task_specific_attention_one_branch_serves_all_tasks():
    network = small_mila(task_specific=False)
    assert list(network.branches) == ["shared"]
    logits, state = network(video(1)[0], None, keyframe=True, tasks=["depth"])
    assert set(logits) == {"depth"} and set(state.key) == {"shared"}


@torch.inference_mode()
def test_without_multi_frame_only_the_keyframe_is_propagated():
    network, kinds = small_mila(multi_frame=False), [True, False, False]
    images = video(3)
    base, _ = run(network, images, kinds)
    images[1] = video(1, seed=9)[0]
    changed, _ = run(network, images, kinds)
    assert torch.equal(base[2]["depth"], changed[2]["depth"])
    images[0] = video(1, seed=8)[0]
    assert not torch.equal(base[2]["depth"], run(network, images, kinds)[0][2]["depth"])


@torch.inference_mode()
def test_slow_only_propagates_from_the_frame_before():
    network, images = small_mila(slow_only=True), video(3)
    assert not hasattr(network, "fast")
    base, _ = run(network, images, [True] * 3)
    alone, _ = network(images[2], None, keyframe=True)
    assert not torch.equal(base[2]["depth"], alone["depth"])
    after, _ = run(network, images[1:], [True] * 2)
    assert torch.equal(base[2]["depth"], after[1]["depth"])  # one frame back, no further
    with pytest.raises(ValueError, match="no fast encoder"):
        network(images[0], None, keyframe=False)


@torch.inference_mode()
def test_propagation_none_makes_frames_independent():
    network, images = small_mila(propagation="none"), video(3)
    base, state = run(network, images, [True, False, False])
    alone, _ = network(images[2], None, keyframe=False)
    assert all(torch.equal(alone[name], base[2][name]) for name in alone)


@torch.inference_mode()
def test_propagation_concat_joins_features_as_they_lie():
    network = small_mila(propagation="concat", tasks=(DEPTH,))
    branch = network.branches["depth"]
    current, key, last = (Source(t, t) for t in torch.randn(3, 1, 16, 5, 7))
    joined = torch.cat([current.value, key.value, last.value], dim=1)
    torch.testing.assert_close(
        branch.fuse(current, [key, last], keyframe=False), branch.fuse_nonkey(joined)
    )


@pytest.mark.parametrize("window", [3, 5, 7, 15, "global"])
@torch.inference_mode()
def test_every_window_of_table_4_runs_and_matters(window):
    images, kinds = video(2), [True, False]
    result, _ = run(small_mila(window=window), images, kinds)
    narrow, _ = run(small_mila(window=1), images, kinds)
    assert torch.isfinite(result[1]["depth"]).all()
    assert not torch.allclose(result[1]["depth"], narrow[1]["depth"])


def test_training_reaches_every_parameter():
    network = small_mila().train()
    outputs, _ = run(network, [torch.randn(2, 3, 32, 48) for _ in range(4)],
                     [True, False, False, True])  # fmt: skip
    sum(t.square().mean() for logits in outputs for t in logits.values()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_squeeze_excitation_in_closed_form():
    torch.manual_seed(0)
    gate, x = SqueezeExcitation(32, reduction=16).double(), torch.randn(2, 32, 3, 5).double()
    w1, b1, w2, b2 = (p.detach().numpy().squeeze() for p in gate.parameters())
    mean = x.numpy().mean((2, 3))
    scale = 1 / (1 + np.exp(-(np.maximum(mean @ w1.T + b1, 0) @ w2.T + b2)))
    np.testing.assert_allclose(gate(x).detach().numpy(), x.numpy() * scale[:, :, None, None])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"window": 4}, "odd"),
        ({"window": "all"}, "odd"),
        ({"propagation": "warp"}, "warp.*ila, concat, .* or none"),
        ({"slow": "vgg16"}, "vgg16"),
        ({"tasks": ()}, "at least one task"),
        ({"tasks": (DEPTH, DEPTH)}, "each task once"),
        ({"colour": 1}, "colour"),
    ],
)
def test_misfitting_arguments_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        small_mila(**arguments)


def test_misfitting_calls_are_refused_in_words():
    with pytest.raises(ValueError, match="unknown network 'mlia'"):
        build_network("mlia", TASKS)
    network, image = small_mila(), video(1)[0]
    with pytest.raises(ValueError, match="no task edges"):
        network(image, tasks=["depth", "edges"])
    _, state = network(image)
    with pytest.raises(ValueError, match="another size"):
        network(video(1, size=(40, 64))[0], state, keyframe=False)
