# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila benchmark``: what it measures, and the form of its report."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import make_tiny_bundle

from mila_ros import cli
from mila_ros.benchmark.measure import Runner, compare, percentiles
from mila_ros.benchmark.sides import Side, combinations, gmac
from mila_ros.errors import MilaError
from mila_ros.networks.local_attention import local_attention_in_use
from mila_ros.streaming import Bundle, Perception

SMALL = "multi_task:encoder=resnet18,width=8,decoder_channels=[16,8]"
SMALL_MILA = (
    "mila:slow=resnet18,fast=resnet18,slow_width=8,fast_width=8,ceil_mode=false,channels=16,"
    "decoder_channels=[16,8],attention_channels=8,window=3,se_reduction=4"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a bundle with two intervals and two sets of tasks."""
    folder = tmp_path_factory.mktemp("benchmark")
    bundle = make_tiny_bundle(folder / "tiny", ("depth", "motion"))
    words = ["benchmark", "--model", bundle, "--keyframe-every", 1, 3, "--tasks", "all", "depth"]
    words += [
        "--engine",
        "eager:fp32",
        "--precision",
        "bf16",
        "--size",
        "64x32",
        "--rounds",
        2,
        "--frames",
        3,
    ]
    words += ["--cameras", 2, "--threads", 1, "--device", "cpu", "--json", folder / "out.json"]
    assert cli.main([str(word) for word in words]) == 0
    return json.loads((folder / "out.json").read_text())


def test_the_report_says_where_it_was_made(report: dict[str, Any]) -> None:
    assert report.keys() == {
        *("machine", "device", "threads", "rounds", "local_attention", "versions", "rows"),
    }
    assert report["local_attention"] == local_attention_in_use("cpu")
    assert (report["device"], report["threads"], report["rounds"]) == ("cpu", 1, 2)
    assert {"processor", "cores", "memory_gib"} <= report["machine"].keys()
    assert {"torch", "mila_ros", "python"} <= report["versions"].keys()


def test_every_combination_is_a_row(report: dict[str, Any]) -> None:
    rows = report["rows"]
    assert [(tuple(row["tasks"]), row["keyframe_every"]) for row in rows] == [
        (("depth", "motion"), 1), (("depth", "motion"), 3), (("depth",), 1), (("depth",), 3),
    ]  # fmt: skip
    for row in rows:
        assert (row["model"], row["engine"], row["precision"]) == ("tiny", "eager", "fp32")
        assert (row["height"], row["width"], row["cameras"]) == (32, 64, 2)
        assert not row["random_weights"] and row["load_s"] > 0 and row["warm_up_s"] > 0


def test_frames_are_counted_and_their_times_add_up(report: dict[str, Any]) -> None:
    for row in report["rows"]:
        every, ms = row["keyframe_every"], row["ms"]
        # two rounds of three frames of two cameras
        assert ms["all"]["frames"] == 12 and ms["key"]["frames"] == 12 // every
        assert ("between" in ms) == (every > 1)
        for times in ms.values():
            assert 0 < times["p50"] <= times["p95"] <= times["p99"]
        for stages in row["stages_ms"].values():
            parts = [stages[stage] for stage in ("preprocess", "network", "postprocess")]
            assert all(part > 0 for part in parts) and max(parts) <= stages["total"]
        assert row["frames_per_s"] == pytest.approx(1000 / ms["all"]["mean"], rel=0.01)
    assert report["rows"][0]["speedup"] == 1


def test_memory_is_of_each_side(report: dict[str, Any]) -> None:
    for row in report["rows"]:
        # The system counts both in steps; what was in use at the end was in use at some time.
        assert row["peak_mib"] >= row["resident_mib"] - 1
    assert report["rows"][0]["peak_mib"] > 0


class FakeGpu:
    """Memory of a GPU in MiB, as PyTorch's allocator counts it for a whole process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = self.peak = 0
        for name, function in {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "memory_allocated": lambda device: self.held << 20,
            "max_memory_allocated": lambda device: self.peak << 20,
            "reset_peak_memory_stats": lambda device: setattr(self, "peak", self.held),
        }.items():
            monkeypatch.setattr(torch.cuda, name, function)

    def take(self, mib: int) -> None:
        self.held += mib
        self.peak = max(self.peak, self.held)


def test_memory_on_a_gpu_is_of_each_side_too(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, load = FakeGpu(monkeypatch), Side.load
    gpu.take(1000)  # of what was there before
    needs = iter([(100, 30), (10, 5)])

    def load_there(side: Side, bundle: Bundle, threads: int) -> Perception:
        """It keeps its weights, has them twice for a moment, and takes more in every frame."""
        weights, frame = next(needs)
        perception = load(dataclasses.replace(side, device="cpu"), bundle, threads)
        for mib in (2 * weights, -weights):
            gpu.take(mib)
        step = perception.step

        def counted(*arguments: Any, **more: Any) -> Any:
            for mib in (frame, -frame):
                gpu.take(mib)
            return step(*arguments, **more)

        monkeypatch.setattr(perception, "step", counted)
        return perception

    monkeypatch.setattr(Side, "load", load_there)
    side = Side("", SMALL, "eager", "fp32", "cuda", (32, 64), 2, ("depth",), 1)
    runners = [Runner(side, threads=1) for _ in range(2)]
    rows = compare(runners, rounds=1, frames=1, tick=lambda: None)
    assert [row["gpu_peak_mib"] for row in rows] == [130, 15]


def test_keyframes_come_at_the_interval_asked_for_however_long() -> None:
    side = Side("", SMALL_MILA, "eager", "fp32", "cpu", (32, 64), 30, ("depth",), 1)
    runner = Runner(side, threads=1)
    runner.play(60)
    keyframes = [number for number, frame in enumerate(runner.frames) if frame.is_keyframe]
    assert len(keyframes) == 2 and keyframes[1] - keyframes[0] == 30


def test_the_cards_accuracy_for_the_interval_is_in_the_row() -> None:
    side = Side("mila_street", "", "eager", "fp32", "cpu", (64, 128), 5, ("depth",), 1)
    runner = Runner(side, threads=1)
    runner.play(5)
    card = side.description().accuracy["keyframe_every_5"]
    assert runner.row(runner)["accuracy"]["segmentation/miou"] == card["segmentation/miou"] > 0


def test_accuracy_is_drawn_against_time(tmp_path: Path) -> None:
    """The script that draws it, with two models in two engines and a network without accuracy."""
    pytest.importorskip("matplotlib", reason="matplotlib draws the plots; pip install matplotlib")
    row = {"keyframe_every": 5, "precision": "fp32", "accuracy": {"segmentation/miou": 0.5}}
    rows = [
        {**row, "model": model, "engine": engine, "ms": {"all": {"mean": ms}}}
        for ms, (model, engine) in enumerate(itertools.product("ab", ["eager", "openvino"]), 1)
    ]
    rows.append({**rows[0], "accuracy": {}})
    (tmp_path / "times.json").write_text(json.dumps({"rows": rows}))
    script = Path(__file__).parents[2] / "benchmarks" / "plot.py"
    command = [sys.executable, str(script), str(tmp_path / "times.json"), "--out"]
    subprocess.run([*command, str(tmp_path / "plot.png")], check=True)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    done = subprocess.run(
        [*command, str(tmp_path / "none.png"), "--metric", "depth/rmse"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "no row has an accuracy depth/rmse" in done.stderr


def test_costs_are_of_the_tasks_and_the_interval(report: dict[str, Any]) -> None:
    two, _, one, one_of_three = (row["gmac"] for row in report["rows"])
    assert two["key"] > one["key"] > one["between"] > 0
    assert one["mean"] == one["key"]
    mean = (one_of_three["key"] + 2 * one_of_three["between"]) / 3
    assert one_of_three["mean"] == pytest.approx(mean, abs=2e-6)


def test_a_network_by_name_costs_what_the_flops_command_counts() -> None:
    side = side_of("mila:slow=resnet101,fast=resnet18,ceil_mode=false")
    costs = gmac(side.description(), ["segmentation", "depth", "motion"])
    # ResNet-101 at output stride 8 and 256x512: 88.6 GMAC by half of 177.2 GFLOP, and the rest.
    assert 110 < costs["key"] < 180 and 60 < costs["between"] < 140
    assert costs["mean"] == pytest.approx((costs["key"] + 4 * costs["between"]) / 5, abs=2e-6)


def side_of(network: str, tasks: tuple[str, ...] | None = None) -> Side:
    return Side("", network, "eager", "fp32", "cpu", None, None, tasks, 1)


@pytest.mark.parametrize(
    ("network", "tasks", "said"),
    [
        ("mila:slow", None, "'slow' is not KEY=VALUE"),
        ("mila", ("depth", "smell"), "unknown task 'smell'"),
    ],
)
def test_what_is_misspelt_is_said(network: str, tasks: tuple[str, ...] | None, said: str) -> None:
    with pytest.raises(MilaError, match=said):
        side_of(network, tasks).description()


def test_a_random_network_runs_and_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--network", SMALL, "--tasks", "segmentation,normals", "--size", "64x32"]
    words += ["--rounds", "1", "--frames", "2", "--threads", "1", "--engine", "eager"]
    assert cli.main(["benchmark", *words]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["side", "frames/s", "speedup"]
    assert row.startswith(f"{SMALL} eager") and row.split()[3] == "1.00"


def test_long_names_stand_above_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    longer = f"{SMALL},output_stride=8,ceil_mode=false"
    words = ["--network", SMALL, longer, "--size", "64x32", "--engine", "eager"]
    words += ["--rounds", "1", "--frames", "2", "--threads", "1"]
    assert len(longer) > 70
    assert cli.main(["benchmark", *words]) == 0
    first, second, header, *rows = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"side 1: {SMALL} eager", f"side 2: {longer} eager")
    assert header.split()[:2] == ["side", "frames/s"]
    assert [row[:8].strip() for row in rows] == ["side 1", "side 2"]
    assert max(map(len, [header, *rows])) < 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to time"),
        (["--network", "fly"], "the network fly cannot be built: unknown network 'fly'"),
        (["--network", "mila:depth=3"], "the network mila cannot be built"),
        (["--network", SMALL, "--engine", "warp"], "unknown engine 'warp'"),
        (["--network", SMALL, "--json", "/no/such/file"], "there is no folder /no/such; make it"),
        (["--model", "nothing"], "there is no model 'nothing'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["benchmark", *words]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("mila benchmark: ") and said in line


def test_percentiles_are_linear_between_samples() -> None:
    assert percentiles([float(n) for n in range(101)]) == {
        "p50": 50.0, "p95": 95.0, "p99": 99.0, "mean": 50.0, "frames": 101,
    }  # fmt: skip
    assert percentiles([1.0, 2.0])["p95"] == 1.95


def test_the_last_setting_changes_first() -> None:
    assert list(combinations({"a": [1, 2], "b": [3, 4]})) == [
        {"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4},
    ]  # fmt: skip


def test_a_plot_is_drawn(tmp_path: Path, report: dict[str, Any]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws the plots; pip install matplotlib")
    from mila_ros.benchmark.plot import draw

    rows = report["rows"]
    draw(rows, [f"side {n}" for n in range(len(rows))], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
