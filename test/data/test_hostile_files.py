# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags, images and clips made to do harm: refused with a sentence, nothing run, nothing written."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation_bench import CLASSES, evaluate, make_clip
from helpers import make_tiny_bundle
from rosbags.rosbag2 import StoragePlugin, Writer

from mila_ros.data.bag_messages import IMAGE, MASK, MessageFactory
from mila_ros.data.bags import BagWriter, open_bag
from mila_ros.data.clip_folder import ClipError, ClipFolder
from mila_ros.data.clip_to_bag import write_clip_bag
from mila_ros.data.frame_sources import open_source
from mila_ros.data.frames import SourceError
from mila_ros.errors import MilaError
from mila_ros.evaluation.bag_sources import open_bag_source

SECONDS = 10.0  # of computing; each takes some hundredths
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def everything(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}


def read(path: Path) -> int:
    """All frames of it, decoded."""
    return sum(1 for frame in open_source(path) if frame.rgb().size)


def refused(path: Path, reader: Callable[[Path], object] = read) -> str:
    begin = time.process_time()
    with pytest.raises(MilaError) as caught:
        reader(path)
    assert time.process_time() - begin < SECONDS
    assert "\n" not in str(caught.value)
    return str(caught.value)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of some kilobytes, whole but for its size: a grey that would be gigabytes."""
    rows = zlib.compress(b"\0" * (1 << 20), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def cut_jpeg() -> bytes:
    content = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    return content[: len(content) // 2]


FILES = {
    "a PNG of 50000x50000": (bomb(50_000, 50_000), "50000x50000"),
    "a PNG of 2^31 x 2^31": (bomb(2**31 - 1, 2**31 - 1), "2147483647"),
    "a JPEG cut short": (cut_jpeg(), "end-of-image"),
    "a script": (b"#!/bin/sh\ntouch run\n", "neither JPEG nor PNG"),
    "a ZIP": (b"PK\x03\x04" + b"\0" * 200, "neither JPEG nor PNG"),
    "nothing": (b"", "holds no data"),
}


def bag_of(path: Path, content: bytes) -> Path:
    factory = MessageFactory()
    message = factory.compressed_image(factory.header(1_000_000_000, "eye"), content or b"\0")
    if not content:
        message.data = np.zeros(0, np.uint8)
    with BagWriter(path) as bag:
        bag.add_topic("/camera/image_raw/compressed", "sensor_msgs/msg/CompressedImage")
        bag.write("/camera/image_raw/compressed", 1_000_000_000, factory.serialized(message))
    return path


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("container", ["folder", "clip", "bag"])
def test_an_image_that_is_a_trap_is_refused(tmp_path: Path, container: str, kind: str) -> None:
    content, expected = FILES[kind]
    path = tmp_path / "source"
    if container == "bag":
        bag_of(path, content)
    else:
        folder = path / "image" if container == "clip" else path
        folder.mkdir(parents=True)
        (folder / "000000.png").write_bytes(content)
    before = everything(tmp_path)
    assert expected in refused(path)
    assert everything(tmp_path) == before


def metadata(path: Path, change: Callable[[str], str]) -> Path:
    file = path / "metadata.yaml"
    file.write_text(change(file.read_text()))
    return path


def test_a_bag_reads_no_file_outside_its_folder(tmp_path: Path) -> None:
    bag = bag_of(tmp_path / "bag", cv2.imencode(".png", PICTURE)[1].tobytes())
    (file,) = bag.glob("*.mcap")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(file, tmp_path / "elsewhere" / "secret.mcap")
    for name in ("../elsewhere/secret.mcap", str(tmp_path / "elsewhere/secret.mcap")):
        copy = Path(shutil.copytree(bag, tmp_path / f"copy{len(name)}"))
        metadata(copy, lambda text, name=name: text.replace(file.name, name))
        assert name in (copy / "metadata.yaml").read_text()
        assert "missing" in refused(copy)


YAML = {
    "an object": "!!python/object/apply:os.system ['touch {run}']",
    "a module": "!!python/module:os",
    "an alias bomb": "a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]",
    "nested deeply": "[" * 5_000,
    "a list": "- 1\n- 2",
    "nothing": "",
    "another version": "rosbag2_bagfile_information:\n  version: 9999",
}


@pytest.mark.parametrize("kind", YAML)
def test_a_bags_metadata_is_not_run(tmp_path: Path, kind: str) -> None:
    bag = bag_of(tmp_path / "bag", cv2.imencode(".png", PICTURE)[1].tobytes())
    metadata(bag, lambda _: YAML[kind].replace("{run}", str(tmp_path / "run")))
    assert str(bag) in refused(bag)
    assert not (tmp_path / "run").exists()


DEFINITIONS = [
    "string X=\"' + __import__('os').system('touch {run}') + '\"\nuint8[] data",
    'string X="""\nimport os\nos.system(\'touch {run}\')\n"""\nuint8[] data',
    "uint8[] data\nuint8 x = __import__('os').system('touch {run}')",
    "uint8 __class__\nuint8 import os; os.system('touch {run}')",
    "uint8[<=__import__('os').system('touch {run}')] data",
]


@pytest.mark.parametrize("number", range(len(DEFINITIONS)))
def test_a_message_definition_is_not_run(tmp_path: Path, number: int) -> None:
    """The reader makes Python classes of the definitions that a bag brings along."""
    definition = DEFINITIONS[number].replace("{run}", str(tmp_path / "run"))
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as bag:
        connection = bag.add_connection(
            "/evil",
            "evil_msgs/msg/Evil",
            msgdef=definition,
            rihs01="RIHS01_" + "0" * 64,
        )
        bag.write(connection, 1, b"\0\1\0\0" + b"\0" * 32)
    try:
        with open_bag(tmp_path / "bag") as reader:
            for used, _, data in reader.messages():
                reader.deserialize(data, used.msgtype)
    except SourceError as error:
        assert str(tmp_path / "bag") in str(error)
    assert not (tmp_path / "run").exists()


def test_a_message_that_lies_about_its_length_is_refused(tmp_path: Path) -> None:
    factory = MessageFactory()
    image = factory.image(factory.header(1_000_000_000, "eye"), "rgb8", PICTURE)
    content = bytearray(factory.serialized(image))
    at = len(content) - PICTURE.size - 4
    assert struct.unpack_from("<I", content, at) == (PICTURE.size,)
    for claimed in (PICTURE.size + 1, 2**31, 2**32 - 1):
        struct.pack_into("<I", content, at, claimed)
        path = tmp_path / str(claimed)
        with BagWriter(path) as bag:
            bag.add_topic(IMAGE, "sensor_msgs/msg/Image")
            bag.write(IMAGE, 1_000_000_000, bytes(content))
        refused(path)


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    factory = MessageFactory()
    header = factory.header(1_000_000_000, "eye")
    with BagWriter(tmp_path / "bag") as bag:
        for topic, image in (
            (IMAGE, factory.image(header, "rgb8", PICTURE)),
            (MASK, factory.image(header, "mono8", PICTURE[:12, :, 0])),
        ):
            bag.add_topic(topic, "sensor_msgs/msg/Image")
            bag.write(topic, 1_000_000_000, factory.serialized(image))
    source = open_bag_source(tmp_path / "bag", [str(number) for number in range(255)])
    assert "32x12" in refused(tmp_path / "bag", lambda _: list(source.frames()))


JSONS = {
    "nested deeply": "[" * 100_000,
    "an endless number": '{"width": ' + "9" * 5_000 + "}",
    "not a number": '{"width": 32, "height": 24, "K": [[NaN,0,0],[0,1,0],[0,0,1]]}',
    "infinite": '{"width": 32, "height": 24, "K": [[1e999,0,0],[0,1,0],[0,0,1]]}',
    "text for a size": '{"width": "32; touch run", "height": 24}',
    "a list": "[1, 2]",
    "a rate of nothing": '{"width": 32, "height": 24, "fps": 1e-999}',
    "a unit with code": '{"width": 32, "height": 24, "depth": "metres * __import__(1)"}',
    "a unit of 5000 digits": '{"width": 32, "height": 24, "depth": "metres * %s"}' % ("9" * 5_000),
    "a focal length of 400 digits": '{"width": 32, "height": 24, "K": [[%s,0,0],[0,1,0],[0,0,1]]}'
    % ("9" * 400),
    "a unit of nothing": '{"width": 32, "height": 24, "depth": "metres * 0"}',
}


@pytest.mark.parametrize("kind", JSONS)
def test_a_clips_description_is_not_believed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "clip" / "image").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "clip/image/000000.png"), PICTURE)
    (tmp_path / "clip/camera.json").write_text(JSONS[kind])
    assert "camera.json" in refused(tmp_path / "clip", ClipFolder.open)


def test_a_pipe_among_the_images_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "clip" / "image").mkdir(parents=True)
    os.mkfifo(tmp_path / "clip/image/000000.png")
    (tmp_path / "clip/image/000001.png").mkdir()
    with pytest.raises(ClipError, match="not a clip folder"):
        ClipFolder.open(tmp_path / "clip")


@pytest.mark.parametrize("kind", ["depth", "label", "motion"])
def test_a_map_of_gigabytes_is_refused_by_its_header(tmp_path: Path, kind: str) -> None:
    clip = make_clip(tmp_path / "clip", frames=1)
    (clip.path / kind / clip.images[0].with_suffix(".png").name).write_bytes(bomb(30_000, 30_000))
    assert "30000x30000" in refused(clip.path, lambda _: getattr(clip, kind)(0))


NAMES = [
    "..png",
    "-rf.png",
    "a\nb.png",
    "$(touch run).png",
    "%s%n.png",
    "<script>.png",
    "é\u2028.png",
]


def test_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip whose names are paths, code and markup: its bag and its report hold only data."""
    script = "<script>alert(1)</script>"
    clip = make_clip(tmp_path / "in" / f"..{script.replace('/', '')}", frames=2).path
    for folder in ("image", "depth", "label", "motion"):
        files = sorted((clip / folder).glob("*")) if (clip / folder).is_dir() else []
        for file, name in zip(files, NAMES, strict=False):
            file.rename(file.with_name(name.replace(".png", file.suffix)))
    labels = json.loads((clip / "labels.json").read_text())
    labels["classes"][0] = script
    (clip / "labels.json").write_text(json.dumps(labels))
    camera = json.loads((clip / "camera.json").read_text())
    (clip / "camera.json").write_text(json.dumps(camera | {"frame_id": f"../../{script}"}))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = everything(tmp_path)
    list(write_clip_bag(ClipFolder.open(clip), tmp_path / "out" / "bag"))
    frames = open_source(tmp_path / "out" / "bag", topic=IMAGE)
    assert [frame.rgb().shape for frame in frames] == [(64, 128, 3)] * 2
    model = make_tiny_bundle(tmp_path / "out" / "model")
    words = ("--model", model, "--clips", clip, "--report", tmp_path / "out" / "report")
    evaluate(*words, "--keyframe-every", 2, "--json", tmp_path / "out" / "r.json")
    after = everything(tmp_path)
    assert {path: after.pop(path) for path in before} == before
    assert all(path.startswith(str(tmp_path / "out")) for path in after)
    pages = list((tmp_path / "out" / "report").rglob("*.html"))
    assert pages and len(CLASSES) > 1
    assert all("<script>alert" not in page.read_text() for page in pages)
