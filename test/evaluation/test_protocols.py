# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import write_image, write_png, write_text

from mila_ros.data.datasets.cityscapes import metres_to_mtan_unit
from mila_ros.data.datasets.registry import DATASETS
from mila_ros.errors import MilaError
from mila_ros.evaluation.dataset_sources import protocol_dataset, protocol_sources
from mila_ros.evaluation.papers.protocol import Protocol, Row
from mila_ros.evaluation.protocols import PROTOCOLS, comparison_table, protocol
from mila_ros.tasks import TASKS


@pytest.mark.parametrize("named", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_protocol_fits_its_data_set(named: Protocol) -> None:
    about = DATASETS[named.dataset].about
    assert named.split in about.splits
    assert named.classes is None or named.classes in [t.name for t in about.taxonomies]
    assert set(named.tasks) <= set(TASKS)
    assert named.offsets == tuple(range(named.keyframe_interval))
    # A whole interval lies before the keyframe of the largest offset.
    assert named.keyframe_interval == 1 or named.before == 2 * named.keyframe_interval - 1
    keys = [metric.key for metric in named.metrics]
    assert len(set(keys)) == len(keys)
    models = [row.model for row in named.rows]
    assert len(set(models)) == len(models)
    assert all(row.figures and set(row.figures) <= set(keys) for row in named.rows)


def single_task(named: Protocol, row: Row) -> Row:
    """The row of single-task networks that a row's Δm is against."""
    encoder = row.model.split()[0] + " "
    options = [r for r in named.rows if r.model.endswith("single task")]
    return next((r for r in options if r.model.startswith(encoder)), options[0])


@pytest.mark.parametrize(
    ("name", "tolerance"),
    # MTI-Net prints one digit of most figures of PASCAL, so that its Δm is from finer ones.
    [
        ("astmt-pascal", 0.012),
        ("astmt-nyud", 0.22),
        ("mti-net-nyud", 0.085),
        ("mti-net-pascal", 0.24),
    ],
)
def test_the_printed_delta_m_follows_from_the_printed_figures(name: str, tolerance: float) -> None:
    named = protocol(name)
    sign = named.metric("delta_m").scale
    for row in named.rows:
        base = single_task(named, row).figures
        gains = [
            (1 if metric.higher_is_better else -1)
            * (row.figures[metric.key] - base[metric.key])
            / base[metric.key]
            for metric in named.metrics
            if metric.key != "delta_m"
        ]
        delta = 100 * sum(gains) / len(gains)
        assert delta == pytest.approx(sign * row.figures["delta_m"], abs=tolerance), row.model


def test_figures_that_the_papers_speak_of() -> None:
    # MILA: second in mIoU, best in accuracy and depth on Cityscapes.
    cityscapes = protocol("mila-cityscapes")
    order = sorted(
        cityscapes.rows, key=lambda row: -row.figures["segmentation/miou_per_image_legacy"]
    )
    assert [row.model for row in order[:2]] == ["Cross-Stitch*", "MILA"]
    for key, best in {
        "segmentation/pixel_accuracy_per_image": max,
        "depth/rel_error_mtan": min,
    }.items():
        assert best(cityscapes.rows, key=lambda row: row.figures[key]).model == "MILA"
    # MultiNet++ (abstract and 4.4): 4 points of segmentation, 3 of depth over one task.
    multinet = protocol("multinet-cityscapes")
    one, three = multinet.row("1 task").figures, multinet.row("3 tasks, MultiNet++").figures
    two = multinet.row("2 tasks, MultiNet++").figures
    assert two["segmentation/pixel_accuracy"] - one["segmentation/pixel_accuracy"] == pytest.approx(
        4.12
    )
    assert three["depth/regression_accuracy"] - one["depth/regression_accuracy"] == pytest.approx(
        2.61
    )
    # A wider keyframe interval costs ILA less than optical flow.
    five, ten = protocol("mila-cityscapes19-k5"), protocol("mila-cityscapes19-k10")
    lost = {
        model: five.row(f"D101-18 {model}").figures["segmentation/miou"]
        - ten.row(f"D101-18 {model}").figures["segmentation/miou"]
        for model in ("ILA", "optical flow")
    }
    assert lost["ILA"] == pytest.approx(1.1) and lost["optical flow"] == pytest.approx(2.3)


def test_a_table_sets_measured_figures_beside_the_papers() -> None:
    named = protocol("mti-net-nyud")
    measured = {"segmentation/miou": 0.3012, "depth/rmse": float("nan"), "depth/delta1": 0.8}
    lines = comparison_table(named, measured, "mine").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:15]]
    assert cells[0] == ["model", "Seg ↑", "rmse ↓", "Δm% ↑", "from"]
    assert cells[2] == ["single task", "33.18", "0.667", "0.00", "Table 2a"]
    assert cells[13] == ["mine", "30.12", "–", "–", "here"]
    assert cells[14] == ["mine − MTI-Net (N+E)", "-7.37", "–", "–", ""]
    assert len({len(line) for line in lines[:15]}) == 1
    assert "nyuv2 test (654 frames), resized to 480x640, nyu40" in lines


def test_a_figure_of_another_average_is_marked() -> None:
    measured = {"segmentation/miou_per_image_legacy": 0.6, "depth/abs_error_mtan": 0.0115}
    text = comparison_table(protocol("mila-cityscapes"), measured)
    row = next(line for line in text.splitlines() if line.startswith("| this model "))
    assert [cell.strip() for cell in row.split("|")][1:-1] == [
        "this model", "≈60.0", "–", "≈1.15", "–", "here",
    ]  # fmt: skip
    assert "the mean over keyframe offsets 0, 1, 2, 3, 4" in text


def test_an_unknown_protocol_lists_those_that_there_are() -> None:
    with pytest.raises(
        MilaError, match="no protocol 'mila'; there are mila-cityscapes, mila-nyuv2"
    ):
        protocol("mila")


def test_a_protocol_reads_its_data_set(tmp_path: Path) -> None:
    for number in range(30):
        name = f"ulm_000000_{number:06d}_leftImg8bit.png"
        path = tmp_path / "leftImg8bit_sequence/val/ulm" / name
        write_image(path, 64, 128, value=number)
        if number == 19:
            write_image(tmp_path / "leftImg8bit/val/ulm" / name, 64, 128, value=number)
    ids = np.full((64, 128), 26, np.uint8)
    write_png(tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", ids)
    disparity = np.full((64, 128), 1 + 256 * 50, np.uint16)
    write_png(tmp_path / "disparity/val/ulm/ulm_000000_000019_disparity.png", disparity)
    inner = {"fx": 2000.0, "fy": 2000.0, "u0": 63.5, "v0": 31.5}
    camera = {"extrinsic": {"baseline": 0.2}, "intrinsic": inner}
    write_text(tmp_path / "camera/val/ulm/ulm_000000_000019_camera.json", json.dumps(camera))
    named = protocol("mila-cityscapes")
    dataset = protocol_dataset(named, tmp_path, named.tasks, in_video=True)
    (source,) = protocol_sources(named, dataset, named.before)
    assert pickle.loads(pickle.dumps(source)).name == "ulm_000000_000019"
    frames = list(source.frames())
    assert [frame.image[0, 0, 0] for frame in frames] == list(range(10, 20))
    assert not source.stills and source.focal_px == pytest.approx(2000 * 512 / 128)
    truth = frames[-1].truth
    assert [frame.truth.segmentation is None for frame in frames] == [True] * 9 + [False]
    assert truth.segmentation is not None and truth.depth is not None
    assert truth.segmentation.shape == (256, 512) and (truth.segmentation == 6).all()
    np.testing.assert_allclose(truth.depth, 8.0)
    assert source.stereo == truth.stereo == (0.2, 2000.0) and truth.disparity is not None
    unit = metres_to_mtan_unit(truth.depth, *source.stereo)
    np.testing.assert_allclose(unit, 12801 / 65535, rtol=1e-6)
    np.testing.assert_allclose(truth.disparity, 12801 / 65535, rtol=1e-6)
