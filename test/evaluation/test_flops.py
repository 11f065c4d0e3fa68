# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counting in closed form, and the papers' tables."""

from __future__ import annotations

import argparse
import json

import pytest
import torch
from torch import nn

from mila_ros.errors import MilaError
from mila_ros.evaluation import flops_command
from mila_ros.evaluation.flops import CONVOLUTIONS, EVERYTHING, PAPERS, Counter, measure
from mila_ros.evaluation.flops_others import keras_parameters
from mila_ros.networks.correspondence import Correspondence
from mila_ros.networks.propagation import Source, build_propagation
from mila_ros.networks.resnet import ResNet


def macs(module, *inputs, rules=PAPERS):
    with Counter(module, rules=rules) as counter:
        module(*inputs)
    return counter.macs


@pytest.mark.parametrize(
    "module, papers, convolutions",
    [
        (nn.Conv2d(4, 6, 3, padding=1, bias=False), 35 * 6 * 4 * 9, 35 * 6 * 4 * 9),
        (nn.Conv2d(4, 6, 3, padding=1), 35 * 6 * (4 * 9 + 1), 35 * 6 * 4 * 9),
        (nn.Conv2d(4, 6, 3, padding=1, groups=2), 35 * 6 * (2 * 9 + 1), 35 * 6 * 2 * 9),
        (nn.BatchNorm2d(4), 2 * 35 * 4, 0),
        (nn.ReLU(), 0, 0),
    ],
)
def test_the_papers_rule(module, papers, convolutions):
    x = torch.zeros(1, 4, 5, 7)
    assert macs(module, x) == papers == macs(module, x, rules=EVERYTHING)
    assert macs(module, x, rules=CONVOLUTIONS) == convolutions


def test_a_transposed_convolution_costs_what_its_inputs_are_multiplied_with():
    """Every input pixel meets every tap; thop lets every output pixel do so."""
    module, x = nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1), torch.zeros(1, 3, 6, 7)
    true = 6 * 7 * 3 * 5 * 16
    bias = 12 * 14 * 5
    assert macs(module, x, rules=CONVOLUTIONS) == true
    assert macs(module, x, rules=EVERYTHING) == true + bias
    assert macs(module, x) == 4 * true + bias


@pytest.mark.parametrize(
    "name, window, weighted",
    [
        ("ila", 5, 12 * 25 * (2 + 8)),
        ("ila", "global", 12 * 12 * (2 + 8)),
        ("svc", 5, 12 * 81 * 8),
        ("concat", 5, 0),
    ],
)
def test_weighted_sums_are_part_of_everything(name, window, weighted):
    module = build_propagation(name, channels=8, attention_channels=2, window=window)
    value = torch.zeros(1, 8, 3, 4)
    source = Source(value, module.embed(value))
    assert macs(module, source, source, rules=EVERYTHING) - macs(module, source, source) == weighted


def test_counting_ends_with_the_block_and_leaves_parts_out():
    inner, outer = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 2, 1)
    network, x = nn.Sequential(inner, outer), torch.zeros(1, 1, 2, 2)
    with Counter(network) as counter:
        network(x)
    network(x)
    assert counter.macs == 4 + 16
    cost = measure(network, lambda: [network(x), network(x)], frames=2, left_out=[outer])
    assert cost.encoder_only_gmac == pytest.approx(4e-9)
    assert cost.everything_gmac == pytest.approx(20e-9)
    assert cost.convolutions_gmac == pytest.approx(12e-9)
    assert cost.parameters == 5
    assert measure(network, lambda: network(x), counted=[inner]).encoder_only_gmac == 4e-9


def test_keras_counts_a_resnet50_as_multinets_table_does():
    with torch.device("meta"):
        assert keras_parameters(ResNet("resnet50")) == 23_587_712  # 23.58M


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What ``mila flops --json`` writes."""
    path = tmp_path_factory.mktemp("flops") / "flops.json"
    parser = argparse.ArgumentParser()
    flops_command.configure(parser)
    assert flops_command.run(parser.parse_args(["--json", str(path)])) == 0
    return json.loads(path.read_text())


ROWS = [
    "single_task",
    "multi_task",
    "mtan",
    "cross_stitch",
    "multinet_slowfast",
    "mila_without_mf_ts",
    "mila_without_ts",
    "mila",
]
TOLERANCES = {"multinet_slowfast": 0.06, ("cityscapes", "mtan"): 0.08}


@pytest.mark.parametrize(
    "table, papers",
    [
        ("cityscapes", [187, 93, 161, 187, 47, 48, 55, 70]),
        ("nyuv2", [236, 79, 151, 236, 40, 41, 46, 70]),
    ],
)
def test_milas_tables_1_and_2(report, table, papers):
    rows = report["tables"][table]
    assert list(rows) == ROWS
    for (name, row), paper in zip(rows.items(), papers, strict=True):
        tolerance = TOLERANCES.get((table, name), TOLERANCES.get(name, 0.03))
        assert row["paper"] == paper
        assert row["encoder_only_gmac"] == pytest.approx(paper, rel=tolerance), name
        assert row["everything_gmac"] > row["encoder_only_gmac"]
        assert row["parameters"] > 40e6


def test_milas_table_7(report):
    rows = report["tables"]["propagation"]
    assert list(rows) == ["optical_flow", "svc", "ila"]
    for name, paper, layers in (("optical_flow", 71.2, 23), ("svc", 108, 3), ("ila", 5.4, 1)):
        large, small = rows[name]["1024x2048"], rows[name]["256x512"]
        assert large["paper"] == paper
        assert large["encoder_only_gmac"] == pytest.approx(paper, rel=0.05)
        assert large["convolutions"] == large["paper_convolutions"] == layers
        assert "does not agree" in small["note"]
        assert large["encoder_only_gmac"] / small["encoder_only_gmac"] == pytest.approx(
            16, rel=0.05
        )


def test_multinets_table_2(report):
    rows = report["tables"]["multinet"]
    assert len(rows) == 13
    other = {
        name for name, row in rows.items() if round(row["parameters"] / 1e6, 2) != row["paper"]
    }
    # Both differ by 0.01 and say why: the printed parts do not sum to the printed totals.
    assert other == {"segmentation_depth_1_frame", "segmentation_depth_2_frames"}
    for name in other:
        assert abs(rows[name]["parameters"] / 1e6 - rows[name]["paper"]) < 0.01
        assert "sum" in rows[name]["note"]


def test_the_tables_of_mti_net_and_astmt(report):
    rows = report["tables"]["mti_net"]
    assert rows["mti_net"]["parameters"] == 8_578_179
    assert rows["mti_net"]["everything_gmac"] == pytest.approx(17.1, rel=0.01)
    assert rows["mti_net_edges_normals"]["parameters"] / 1e6 == pytest.approx(14.84, abs=0.005)
    assert rows["mti_net_edges_normals"]["everything_gmac"] == pytest.approx(22.9, rel=0.01)
    for name in ("single_task", "multi_task", "pad_net", "single_task_pascal", "multi_task_pascal"):
        row = rows[name]
        assert row["everything_gmac"] == pytest.approx(row["paper"], rel=0.07), name
        assert row["parameters"] == pytest.approx(row["paper_parameters"], rel=0.035), name
    full = report["tables"]["astmt"]["se_resnet26_se_ra"]
    assert full["convolutions_gmac"] == pytest.approx(25.94, abs=0.001)
    assert full["parameters_with_discriminator"] / 1e6 == pytest.approx(31.279, abs=6e-4)


def test_every_row_has_what_the_report_promises(report):
    for table in report["tables"].values():
        for _, row in flops_command._flat(table):
            assert set(report["counting"]) | {"note"} <= set(row)


def test_the_printed_table_has_a_line_per_row(report):
    lines = flops_command._format("propagation", report["tables"]["propagation"]).splitlines()
    assert [line.split()[:3] for line in lines[-2:]] == [
        ["ila", "256x512", "0.2"],
        ["ila", "1024x2048", "5.4"],
    ]
    assert lines[-1].split()[3:] == ["5.34", "5.34", "0.15"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    missing = tmp_path / "nowhere" / "flops.json"
    with pytest.raises(MilaError, match=r"nowhere.flops\.json cannot be written"):
        flops_command.run(argparse.Namespace(json=missing, table=False))


def test_the_sight_of_motion_is_part_of_everything():
    module = Correspondence(8, patch_channels=6, window=3)
    patches, size = torch.zeros(1, 6, 4, 6), torch.Size((2, 3))
    both = [macs(module, patches, patches, size, rules=rules) for rules in (EVERYTHING, PAPERS)]
    assert both[0] - both[1] == 4 * 6 * 9 * (6 + 6 + 2)
