# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila demo`` from end to end: three processes, real DDS, and what they leave behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from helpers import make_tiny_bundle

from mila_ros import cli
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.frame_sources import open_source
from mila_ros.demo import processes
from mila_ros.demo.results import prepare, status_text
from mila_ros.errors import MilaError

SIZE = (64, 128)
FRAMES = 10


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip"
    intrinsics = np.array([[100.0, 0, 63.5], [0, 100, 31.5], [0, 0, 1]])
    with ClipWriter(path, fps=10.0, intrinsics=intrinsics, jpeg_quality=None) as writer:
        for index in range(FRAMES):
            writer.add(picture(index))
    return path


def start(*arguments):
    command = [sys.executable, "-m", "mila_ros.cli", "demo", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children_of(out):
    """The processes of a demo that are still there, by the folder in their command lines."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/environ", "rb") as environ:
                    if f"ROS_LOG_DIR={out.resolve()}".encode() in environ.read():
                        found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.usefixtures("ros_domain")
def test_ten_frames_go_through_three_processes_and_nothing_is_lost(tmp_path, model, clip):
    out = tmp_path / "demo"
    process = start("--input", clip, "--model", model, "--device", "cpu", "--out", out)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors + printed
    assert "\r" not in printed and "\n10 frames in, " in printed
    for line in (f"{out}/frame_*.png", f"{out}/bag", f"{out}/summary.json", f"{out}/log"):
        assert line in printed

    summary = json.loads((out / "summary.json").read_text())
    assert summary["frames_in"] == FRAMES, "no frame is lost between camera and recorder"
    answered = set(summary["frames_out"].values())
    assert len(answered) == 1 and 1 <= max(answered) <= FRAMES
    assert set(summary["frames_out"]) == {
        "segmentation/mask", "segmentation/confidence", "depth/image", "motion/mask",
    }  # fmt: skip
    assert max(answered) + sum(summary["dropped"].values()) == FRAMES
    assert 1 <= summary["keyframes"] <= FRAMES
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert summary["rates_hz"]["image"] == pytest.approx(10, abs=0.5)
    assert summary["model"] == "tiny" and summary["input"] == str(clip)
    assert summary["machine"]["cores"] >= 1 and summary["versions"]["torch"]

    frames = list(open_source(out / "bag", topic="/camera/image_raw"))
    assert len(frames) == FRAMES
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb(), picture(frame.index))
    masks = list(open_source(out / "bag", topic="/mila/segmentation/mask"))
    assert {mask.stamp_ns for mask in masks} <= {frame.stamp_ns for frame in frames}
    assert all(mask.rgb().shape == (*SIZE, 3) and mask.rgb().max() < 5 for mask in masks)
    pictures = sorted(out.glob("frame_*.png"))
    assert pictures and cv2.imread(str(pictures[0])).shape[1] > 1200
    assert children_of(out) == []


@pytest.mark.usefixtures("ros_domain")
@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGTERM, "loading the model"), (signal.SIGINT, r"frames [1-9]")],
)
def test_an_interrupted_demo_ends_its_children_in_time_with_status_0(
    tmp_path, model, clip, number, moment
):
    out = tmp_path / "demo"
    process = start("--input", clip, "--model", model, "--out", out, "--seconds", 60)
    for line in process.stdout:
        if re.search(moment, line):
            break
    else:
        pytest.fail(process.stderr.read())
    process.send_signal(number)
    begin = time.monotonic()
    printed, errors = process.communicate(timeout=20)
    assert time.monotonic() - begin < 3.5
    assert process.returncode == 0, errors
    assert "interrupted" in printed and "Traceback" not in errors
    assert children_of(out) == []
    if number == signal.SIGINT:
        assert json.loads((out / "summary.json").read_text())["frames_in"] > 0
        assert next(iter(open_source(out / "bag", topic="/camera/image_raw"))).index == 0


@pytest.mark.usefixtures("ros_domain")
def test_a_model_that_does_not_load_is_one_sentence_and_status_1(tmp_path, clip):
    broken = make_tiny_bundle(tmp_path / "broken", name="broken")
    (broken / "weights.safetensors").write_bytes(b"nothing")
    out = tmp_path / "demo"
    process = start("--input", clip, "--model", broken, "--out", out)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "weights.safetensors" in errors and f"{out}/log/perception.log" in errors
    assert len(errors.strip().splitlines()) == 1, errors
    assert children_of(out) == []


RECORDER = """
import sys
print("one word to the log", file=sys.stderr, flush=True)
for line in ('{"frames_in": 1}', "[RTPS_TRANSPORT_SHM Error] Failed to create segment", "3",
             "[" * 100_000, "", '{"frames_in": 2}'):
    print(line, flush=True)
sys.stdout.buffer.write(b"\\xff\\n")
print('{"frames_in": 3}', flush=True)
print("the last word", file=sys.stderr)
"""


def test_what_is_no_report_goes_to_the_log_and_reports_go_on(tmp_path):
    """Fast DDS logs its errors to stdout, where the recorder reports."""
    (tmp_path / "recorder.py").write_text(RECORDER)
    (tmp_path / "the recorder.log").write_text("of an earlier demo")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    child = processes.Child("the recorder", "recorder", {}, {}, environment, tmp_path, reports=True)
    assert [child.reports.get(timeout=20) for _ in range(3)] == [
        {"frames_in": 1}, {"frames_in": 2}, {"frames_in": 3},
    ]  # fmt: skip
    assert child.process.wait(20) == 0
    # Process and reader append side by side, neither over what the other wrote.
    log = child.log.read_bytes().splitlines()
    shared_memory = b"[RTPS_TRANSPORT_SHM Error] Failed to create segment"
    logged = [shared_memory, b"3", b"[" * 100_000, b"", b"\xff"]
    assert sorted(log) == sorted([b"one word to the log", *logged, b"the last word"])


def fails(capsys, *arguments):
    assert cli.main(["demo", *map(str, arguments)]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.strip().splitlines()
    return line


def test_a_missing_input_starts_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(processes, "Child", None)
    monkeypatch.setattr("mila_ros.demo.command.check_ros", lambda: None)
    line = fails(capsys, "--input", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert line.startswith(f"mila demo: {tmp_path}/nowhere does not exist")
    assert not (tmp_path / "out").exists()


def test_an_input_in_the_folder_that_is_replaced_is_kept(tmp_path, model, capsys, monkeypatch):
    monkeypatch.setattr("mila_ros.demo.command.check_ros", lambda: None)
    image = tmp_path / "out/frame_000000.png"
    image.parent.mkdir()
    cv2.imwrite(str(image), picture(0))
    line = fails(capsys, "--input", image, "--model", model, "--out", tmp_path / "out")
    assert "which is replaced; choose another --out" in line
    assert image.exists()


def test_a_missing_model_starts_nothing(tmp_path, clip, capsys, monkeypatch):
    monkeypatch.setattr("mila_ros.demo.command.check_ros", lambda: None)
    line = fails(capsys, "--input", clip, "--model", "nothing", "--out", tmp_path / "out")
    assert "there is no model 'nothing'" in line
    assert not (tmp_path / "out").exists()


def test_without_ros_it_says_how_to_install_it(capsys, monkeypatch):
    monkeypatch.setattr("mila_ros.nodes.importlib.util.find_spec", lambda name: None)
    line = fails(capsys)
    assert "needs ROS 2" in line and "pip install 'ros-jazzy-rclpy[fastrtps]'" in line


def test_no_rate_is_shown_before_there_is_an_image():
    report = {
        "frames_in": 0,
        "frames_out": 0,
        "rate_in_hz": 0.0,
        "rate_out_hz": 0.0,
        "latency_ms": None,
        "keyframes": 0,
        "dropped": 0,
    }
    assert status_text(report) == "waiting for the first image"
    latency = {"p50": 48.2, "p95": 66.0}
    report |= {"frames_in": 3, "frames_out": 2, "rate_in_hz": 10.0, "latency_ms": latency}
    assert status_text(report) == (
        "in  10.0 Hz  out   0.0 Hz  latency 48 ms (p95 66)  frames 2/3  keyframes 0  dropped 0"
    )


def test_results_of_an_earlier_demo_are_replaced_and_nothing_else(tmp_path):
    prepare(tmp_path)
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/bag.mcap").write_bytes(b"old")
    (tmp_path / "frame_000001.png").write_bytes(b"old")
    (tmp_path / "summary.json").write_text("{}")
    prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(MilaError, match="holds thesis.tex, which no demo made"):
        prepare(tmp_path)
    assert (tmp_path / "summary.json").exists()


@pytest.mark.parametrize("name", ["frame_000001.png", "frame_1.png", "bag", "summary.json", "log"])
def test_what_only_is_called_like_a_demos_result_is_kept(tmp_path, name):
    (tmp_path / name).write_bytes(b"years of work")
    with pytest.raises(MilaError, match=f"holds {name}, which no demo made"):
        prepare(tmp_path)
    assert (tmp_path / name).read_bytes() == b"years of work"


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MilaError, match="file/out cannot be prepared"):
        prepare(tmp_path / "file/out")
