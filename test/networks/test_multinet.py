# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MultiNet++: the frame before, the decoder, its parameter table, MILA's variant."""

from __future__ import annotations

import pytest
import torch

from mila_ros.networks import MILA, build_network
from mila_ros.networks.multinet import FCN8
from mila_ros.networks.propagation import ConcatPropagation
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH, MOTION)


def small(**arguments):
    torch.manual_seed(0)
    return build_network("multinet", TASKS, encoder="resnet18", width=4, **arguments).eval()


def frames(count, size=(40, 56)):
    return list(torch.randn(count, 1, 3, *size, generator=torch.Generator().manual_seed(1)))


@torch.inference_mode()
def test_an_output_depends_on_this_frame_and_the_one_before_it():
    network, (one, two, three, other) = small(), frames(4)

    def last(*video):
        state = None
        for image in video:
            logits, state = network(image, state)
        return logits["motion"]

    base = last(one, two, three)
    assert torch.equal(base, last(other, two, three))
    assert not torch.equal(base, last(one, other, three))
    assert torch.equal(last(one), last(one, one))  # the first frame is its own predecessor


@torch.inference_mode()
def test_features_of_both_frames_are_concatenated_and_computed_once():
    network, ran = small(), []
    network.encoder.register_forward_hook(lambda *_: ran.append("forward"))
    network.encoder.conv1.register_forward_hook(lambda *_: ran.append("frame"))
    now, before = frames(2)
    _, state = network(before)
    logits, new = network(now, state)
    assert ran == ["frame", "frame"]
    pairs = zip(network.encoder.stages(now)[1:], network.encoder.stages(before)[1:], strict=True)
    joined = [torch.cat(pair, dim=1) for pair in pairs]
    torch.testing.assert_close(logits["depth"], network.decoders["depth"](joined)[:, :, :40, :56])
    assert len(new.last) == 3 and not new.key


@torch.inference_mode()
def test_one_frame_keeps_nothing():
    _, state = small(frames=1)(frames(1)[0])
    assert not state.last and not state.key


@torch.inference_mode()
def test_a_state_of_another_size_is_refused():
    network = small()
    _, state = network(frames(1)[0])
    with pytest.raises(ValueError, match="another size"):
        network(frames(1, size=(64, 64))[0], state)


@torch.inference_mode()
def test_fcn8_adds_the_scores_of_three_scales():
    decoder = FCN8((2, 2, 2), 1)
    for conv in (decoder.from32, decoder.from16, decoder.from8):
        # Nearest-neighbour enlargement, as a transposed convolution.
        stride, padding = conv.stride[0], conv.padding[0]
        conv.weight.zero_()
        conv.weight[0, 0, padding : padding + stride, padding : padding + stride] = 1
        conv.bias.zero_()
    for score in decoder.scores:
        score.weight.fill_(0.5)
        score.bias.zero_()
    maps = [torch.full((1, 2, 8 // n, 8 // n), v) for n, v in ((1, 1.0), (2, 10.0), (4, 100.0))]
    assert (decoder(maps) == 111.0).all() and decoder(maps).shape == (1, 1, 64, 64)


def test_decoders_have_the_parameters_of_table_2_to_its_last_digit():
    with torch.device("meta"):
        counts = {
            (task.name, frames): sum(
                p.numel()
                for p in build_network("multinet", [task], frames=frames).decoders.parameters()
            )
            for task in (SEGMENTATION.with_channels(20), DEPTH, MOTION)
            for frames in (1, 2)
        }
    assert counts == {
        ("segmentation", 1): 187_000,  # 0.18M
        ("segmentation", 2): 258_680,  # 0.26M
        ("depth", 1): 3_878,  # 3.88K
        ("depth", 2): 7_462,  # 7.46K
        ("motion", 1): 8_332,  # 8.33K
        ("motion", 2): 15_500,  # 15.50K
    }


def test_the_slow_fast_variant_is_milas():
    with torch.device("meta"):
        network = build_network("multinet", TASKS, slow_fast=True, fast="resnet34")
    assert isinstance(network, MILA) and not network.multi_frame and not network.slow_only
    assert list(network.branches) == ["shared"]
    assert isinstance(network.branches["shared"].propagation, ConcatPropagation)
