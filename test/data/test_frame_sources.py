# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of source gives its frames with their times, and says plainly what is wrong."""

import json

import cv2
import numpy as np
import pytest

from mila_ros.data import frame_sources
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.data.frame_sources import VideoSource, WebcamSource, open_source
from mila_ros.data.frames import SourceError

SIZE = (48, 64)


def picture(index):
    """A picture that survives video compression recognisably: its red says which it is."""
    return np.full((*SIZE, 3), (20 * index, 100, 200), np.uint8)


def write_images(folder, count=3, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"f{index}{suffix}"), picture(index)[..., ::-1])
    return folder


def write_video(path, count=10, fps=25.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, SIZE[::-1])
    assert writer.isOpened()
    for index in range(count):
        writer.write(picture(index)[..., ::-1])
    writer.release()
    return path


def test_images_of_a_folder_come_in_natural_order_pixel_exact(tmp_path):
    source = open_source(write_images(tmp_path / "images", 12))
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(12))
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb(), picture(frame.index))
        assert frame.format == "png"


def test_a_folder_has_no_rate_so_ten_is_assumed_and_said(tmp_path):
    source = open_source(write_images(tmp_path))
    assert source.rate_hz == 10.0
    assert "does not say its frame rate; 10 Hz is assumed" in source.note
    assert [frame.time_ns for frame in source] == [0, 100_000_000, 200_000_000]


def test_a_given_rate_sets_times_and_stamps_and_needs_no_note(tmp_path):
    source = open_source(write_images(tmp_path), rate_hz=4.0)
    assert source.note == ""
    assert [frame.time_ns for frame in source] == [0, 250_000_000, 500_000_000]
    assert [frame.stamp_ns for frame in source] == [250_000_000, 500_000_000, 750_000_000]


def test_iterating_again_starts_again(tmp_path):
    source = open_source(write_images(tmp_path))
    assert [f.index for f in source] == [f.index for f in source] == [0, 1, 2]


def test_one_image_is_a_source_of_one_frame(tmp_path):
    write_images(tmp_path, 1, ".jpg")
    (frame,) = open_source(tmp_path / "f0.jpg")
    assert frame.format == "jpeg"
    assert frame.encoded == (tmp_path / "f0.jpg").read_bytes()


def test_a_clip_has_its_own_rate_calibration_and_frame(tmp_path):
    intrinsics = np.array([[50.0, 0, 31], [0, 51, 23], [0, 0, 1]])
    with ClipWriter(tmp_path / "clip", fps=20, intrinsics=intrinsics, frame_id="front") as writer:
        for index in range(3):
            writer.add(picture(index))
    source = open_source(str(tmp_path / "clip"))
    assert (source.rate_hz, source.note, source.frame_id) == (20.0, "", "front")
    assert source.calibration.k == (50, 0, 31, 0, 51, 23, 0, 0, 1)
    assert source.calibration.p == (50, 0, 31, 0, 0, 51, 23, 0, 0, 0, 1, 0)
    assert (source.calibration.width, source.calibration.height) == (64, 48)
    assert [frame.time_ns for frame in source] == [0, 50_000_000, 100_000_000]


def test_a_clip_of_unknown_rate_falls_back_to_ten(tmp_path):
    with ClipWriter(tmp_path / "clip", fps=None) as writer:
        writer.add(picture(0))
    assert json.loads((tmp_path / "clip/camera.json").read_text())["fps"] is None
    source = open_source(tmp_path / "clip")
    assert source.rate_hz == 10.0 and "10 Hz is assumed" in source.note
    assert source.calibration is None


def test_a_video_gives_every_frame_at_its_own_rate(tmp_path):
    source = open_source(write_video(tmp_path / "video.avi", count=10, fps=25.0))
    assert isinstance(source, VideoSource) and "64x48" in source.name
    frames = list(source)
    assert len(frames) == 10 and source.rate_hz == 25.0
    assert [frame.time_ns for frame in frames] == [n * 40_000_000 for n in range(10)]
    for frame in frames:
        assert np.abs(frame.rgb().astype(int) - picture(frame.index)).max() < 10
        assert frame.encoded is None and frame.format == ""


@pytest.mark.parametrize("fps", [0.0, float("nan"), -1.0, 90_000.0])
def test_a_video_with_an_absurd_rate_falls_back_to_ten(tmp_path, fps):
    assert frame_sources._rate(None, fps, tmp_path)[0] == 10.0


def test_a_webcam_is_live_and_stamped_with_the_clock(monkeypatch):
    class Camera:
        reads = 0

        def isOpened(self):  # noqa: N802, OpenCV's name
            return True

        def set(self, *_):
            return True

        def read(self):
            Camera.reads += 1
            return (True, picture(Camera.reads)[..., ::-1]) if Camera.reads < 4 else (False, None)

        def release(self):
            Camera.reads = -1

    monkeypatch.setattr(frame_sources.cv2, "VideoCapture", lambda number: Camera())
    monkeypatch.setattr(frame_sources.Path, "exists", lambda path: str(path) == "/dev/video7")
    source = open_source("7")
    assert isinstance(source, WebcamSource) and source.is_live and source.number == 7
    frames = []
    with pytest.raises(SourceError, match="/dev/video7 no longer gives frames"):
        for frame in source:
            frames.append(frame)
    assert [frame.rgb()[0, 0, 0] for frame in frames] == [20, 40, 60]
    assert frames[0].time_ns == 0
    assert frames[2].time_ns == frames[2].stamp_ns - frames[0].stamp_ns > 0
    assert Camera.reads == -1, "the device was released"


@pytest.mark.parametrize("spec", ["97", "/dev/video97"])
def test_a_webcam_that_is_not_there_is_named(spec):
    with pytest.raises(SourceError, match="there is no camera /dev/video97"):
        open_source(spec)


def test_a_folder_named_like_a_webcam_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "0", 2)
    assert len(list(open_source("0"))) == 2


def test_damaged_image_is_named_when_it_is_reached(tmp_path):
    write_images(tmp_path)
    (tmp_path / "f1.png").write_bytes(b"nonsense")
    frames = list(open_source(tmp_path))
    np.testing.assert_array_equal(frames[2].rgb(), picture(2))
    with pytest.raises(SourceError, match="f1.png cannot be read"):
        frames[1].rgb()


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(SourceError, match="nowhere does not exist; give a folder"):
        open_source(tmp_path / "nowhere")


def test_an_empty_folder_is_said(tmp_path):
    with pytest.raises(SourceError, match="holds no .jpg or .png images"):
        open_source(tmp_path)


def test_a_file_that_is_no_video_is_said_once(tmp_path, capfd):
    (tmp_path / "notes.mp4").write_text("not a video")
    with pytest.raises(SourceError, match="notes.mp4 is not a video, an image or a bag"):
        open_source(tmp_path / "notes.mp4")
    assert capfd.readouterr().err == ""


def test_a_topic_is_for_bags(tmp_path):
    with pytest.raises(SourceError, match="a topic is for bags, and .* is none"):
        open_source(write_images(tmp_path), topic="/image")


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), 1001.0])
def test_an_impossible_rate_is_refused(tmp_path, rate):
    with pytest.raises(SourceError, match="the rate must be from 0"):
        open_source(write_images(tmp_path), rate_hz=rate)
