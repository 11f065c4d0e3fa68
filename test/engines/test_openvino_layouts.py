# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Maps cross the border of OpenVINO's graphs as they lie, and are not turned to and fro inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_bench import CPU, images
from torch import Tensor

from mila_ros.engines import build_engine, openvino_engine
from mila_ros.engines.trees import leaves
from mila_ros.networks import Network

pytestmark = pytest.mark.skipif(
    not openvino_engine.is_there(), reason="openvino is not installed: pip install openvino"
)


def played(network: Network) -> list[tuple[dict[str, Tensor], Any]]:
    engine = build_engine("openvino", network, CPU)
    state, answers = None, []
    for number, image in enumerate(images()[:5]):
        logits, state = engine(image, state, keyframe=number % 3 == 0, tasks=None, precision="fp32")
        answers.append((logits, state))
    return answers


def test_what_is_kept_lies_channels_last_and_logits_do_not(network: Network, cache: Path) -> None:
    for logits, state in played(network):
        for _, tensor in leaves((state.key, state.last)):
            assert tensor.is_contiguous(memory_format=torch.channels_last)
        assert all(tensor.is_contiguous() for tensor in logits.values())


def test_nothing_is_turned_and_turned_back(network: Network, cache: Path) -> None:
    played(network)
    core = openvino_engine.import_openvino().Core()
    graphs = [core.read_model(path) for path in cache.rglob("*.xml")]
    assert len(graphs) == 10
    ports = [port for graph in graphs for port in graph.inputs]
    shapes = [list(port.shape) for port in ports if port.get_any_name() == "in/image"]
    assert shapes and all(shape == [1, 32, 64, 3] for shape in shapes)
    for graph in graphs:
        for operation in graph.get_ordered_ops():
            if operation.get_type_name() != "Transpose":
                continue
            before = operation.input_value(0).get_node()
            if before.get_type_name() == "Transpose":
                first, second = (turn.input_value(1).get_node().get_data().tolist()
                                 for turn in (before, operation))  # fmt: skip
                assert [first[axis] for axis in second] != sorted(first)
