# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks taken apart into functions of tensors compute what they do in one piece."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mila_ros.engines.flat import FlatFunction
from mila_ros.engines.parts import DECODE, ENCODE, STEP, Encoded, Part, Streamed, in_parts
from mila_ros.engines.trees import Tree, leaves, rebuilt
from mila_ros.networks import NETWORKS, Network, State, build_network
from mila_ros.networks.local_attention import tiles
from mila_ros.networks.propagation import Source
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH, MOTION)
RESNET: dict[str, Any] = {"encoder": "resnet18", "width": 4, "decoder_channels": (12, 8)}
MILA: dict[str, Any] = {
    "slow": "resnet34",
    "slow_width": 4,
    "fast_width": 4,
    "channels": 16,
    "decoder_channels": (12, 8),
    "attention_channels": 4,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "astmt": {"width": 4, "decoder_width": 16},
    "cross_stitch": RESNET,
    "mila": MILA,
    "mila detail": {**MILA, "detail_channels": 16},
    "mila correspondence": {**MILA, "correspondence_channels": 8},
    "mila texture": {**MILA, "texture_channels": 8},
    "mila concat": {**MILA, "propagation": "concat"},
    "mila none": {**MILA, "propagation": "none"},
    "mila optical_flow": {
        **MILA, "propagation": "optical_flow", "task_specific": False,
        "flow": lambda a, b: (a[:, :2] - b[:, :2])[:, :, ::2, ::2],
    },
    "mila one_branch": {**MILA, "task_specific": False},
    "mila one_frame": {**MILA, "multi_frame": False},
    "mila slow_only": {**MILA, "slow_only": True},
    "mtan": RESNET,
    "mti_net": {"width": 8},
    "multi_task": RESNET,
    "multinet": {"encoder": "resnet18", "width": 4},
    "multinet slow_fast": {"slow_fast": True, **MILA},
    "pad_net": {"width": 4, "task_channels": 16},
    "single_task": RESNET,
}  # fmt: skip
# keyframe, tasks: starts, both ways on, fewer tasks, more again, a keyframe after a keyframe
VIDEO: tuple[tuple[bool, Collection[str] | None], ...] = (
    (True, None), (False, None), (False, None), (True, None), (False, ["depth"]),
    (True, ["depth", "motion"]), (True, None), (False, ["motion", "segmentation"]),
)  # fmt: skip


def build(name: str) -> Network:
    torch.manual_seed(0)
    network = build_network(name.split()[0], TASKS, **VARIANTS[name])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that are not those it starts with
            module.running_mean.uniform_(-0.1, 0.1)
    return network.eval()


def video(size: tuple[int, int] = (40, 56)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(1, 3, *size, generator=generator) for _ in VIDEO]


def test_every_network_is_tested_here() -> None:
    assert {name.split()[0] for name in VARIANTS} == set(NETWORKS)


@pytest.mark.parametrize("name", VARIANTS)
@torch.inference_mode()
def test_flat_functions_equal_the_network_to_the_last_bit(name: str) -> None:
    network = build(name)
    functions: dict[tuple[Part, tuple[str, ...]], FlatFunction] = {}

    def run(part: Part, *arguments: Tree) -> Tree:
        key = part, tuple(name for name, _ in leaves(arguments))
        if key not in functions:
            functions[key] = FlatFunction(network, part, *arguments)
        outputs = functions[key](*functions[key].pick(arguments))
        assert [tuple(t.shape) for t in outputs] == list(functions[key].output_shapes)
        return functions[key].restore(arguments, outputs)

    state: State | None = None
    flat_state: State | None = None
    for image, (keyframe, tasks) in zip(video(), VIDEO, strict=True):
        keyframe = keyframe or network.slow_only
        logits, state = network(image, state, keyframe=keyframe, tasks=tasks)
        flat, flat_state = in_parts(network, run, image, flat_state, keyframe, tasks)
        assert flat.keys() == logits.keys()
        for task, values in logits.items():
            torch.testing.assert_close(flat[task], values, rtol=0, atol=0)
        ours, theirs = (dict(leaves(Streamed(s.key, s.last))) for s in (flat_state, state))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[leaf], theirs[leaf]) for leaf in ours)
    for function in functions.values():
        assert len(function.inputs) == len(set(function.inputs)) > 0
        assert not set(function.outputs) & {f"state/{name}" for name in function.inputs}


def mila() -> tuple[Network, Tree, Tensor]:
    network, image = build("mila"), video()[0]
    return network, Part(ENCODE, False)(network, image), image


@torch.inference_mode()
def test_only_what_is_read_goes_in_and_only_what_is_new_comes_out() -> None:
    network, encoded, image = mila()
    embedding = torch.zeros(1, 4, *encoded.features.shape[2:])
    source = Source(torch.zeros_like(encoded.features), embedding)
    both = Streamed({"depth": source}, {"depth": source})

    def ports(keyframe: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        other = Source(source.value + 1, source.embedding + 1)
        state = Streamed({"depth": other}, both.last)
        function = FlatFunction(network, Part(DECODE, keyframe, ("depth",)), encoded, image, state)
        return function.inputs, function.outputs

    names = [f"state/{{}}/depth/{field}" for field in ("value", "embedding")]
    key, last = ([name.format(kind) for name in names] for kind in ("key", "last"))
    # A keyframe looks at the last frame between keyframes and leaves it as it is.
    assert ports(True) == (("encoded/features", *last), ("logits/depth", *key))
    # A frame between looks at both and takes the place of the last.
    assert ports(False) == (("encoded/features", *key, *last), ("logits/depth", *last))


@torch.inference_mode()
def test_the_digest_is_of_the_graph_and_of_its_own_weights() -> None:
    network, encoded, image = mila()
    empty = Streamed({}, {})

    def digest(part: Part, *arguments: Tree) -> str:
        return FlatFunction(network, part, *arguments).digest()

    encode, decode = Part(ENCODE, True), Part(DECODE, False, ("depth",))
    before = digest(encode, image), digest(decode, encoded, image, empty)
    assert before == (digest(encode, image), digest(decode, encoded, image, empty))
    assert before[0] != digest(Part(ENCODE, False), image)
    # Index tensors that an earlier run has left behind do not make another graph of it.
    source = Source(encoded.features, torch.zeros(1, 4, *encoded.features.shape[2:]))
    state = Streamed({"depth": source}, {})
    again = []
    for _ in range(2):
        again.append(digest(decode, encoded, image, state))
        tiles._tiling.cache_clear()
        again.append(digest(decode, encoded, image, state))
    assert len(set(again)) == 1
    assert before[0] != digest(encode, torch.zeros(1, 3, 48, 56))
    window = network.branches["depth"].propagation
    window.window = 3
    assert before[1] != digest(decode, encoded, image, empty)
    window.window = 5
    network.branches["depth"].se.reduce.weight.data[0, 0] += 1e-3
    assert before[0] == digest(encode, image)
    assert before[1] != digest(decode, encoded, image, empty)


@torch.inference_mode()
def test_weights_of_other_parts_are_left_out() -> None:
    network, encoded, image = mila()
    function = FlatFunction(
        network, Part(DECODE, True, ("depth",)), encoded, image, Streamed({}, {})
    )
    names = [name.removeprefix("call.network.") for name in function.state_dict()]
    assert names and all(name.startswith("branches.depth.") for name in names)
    assert not any("fuse_nonkey" in name for name in names)
    # The very same memory, not copies.
    assert function.call.network.branches["depth"].se.reduce.weight is (
        network.branches["depth"].se.reduce.weight
    )


def test_a_step_in_one_piece_is_a_part_too() -> None:
    network, _, image = mila()
    function = FlatFunction(network, Part(STEP, True, ("depth",)), image, Streamed({}, {}))
    assert function.inputs == ("image",)
    with torch.inference_mode():
        expected, _ = network(image, None, tasks=["depth"])
        assert torch.equal(function(image)[0], expected["depth"])


def test_trees_are_flat_and_back() -> None:
    tensors = [torch.tensor(float(n)) for n in range(4)]
    tree = (
        Encoded(tensors[0], None), Streamed({"a": Source(tensors[1], tensors[2])}, {}), tensors[3]
    )  # fmt: skip
    named = dict(leaves(tree))
    assert list(named) == ["0/features", "1/key/a/value", "1/key/a/embedding", "2"]
    again = rebuilt(tree, iter([t + 1 for t in named.values()]))
    assert again[0].detail is None and isinstance(again[1].key["a"], Source)
    assert [float(t) for _, t in leaves(again)] == [1, 2, 3, 4]
    with pytest.raises(TypeError, match="0/a is a str, not a tensor"):
        list(leaves(({"a": "text"},)))
