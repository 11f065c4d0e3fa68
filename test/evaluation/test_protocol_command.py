# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila evaluate --protocol``: small data sets in the official layouts, figures by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dataset_trees import write_png, write_rgb, write_text
from evaluation_bench import evaluate
from helpers import tiny_description, tiny_network
from network_bundles import write_network_bundle

from mila_ros.data.datasets.labels import CITYSCAPES7
from mila_ros.errors import MilaError
from mila_ros.evaluation.protocols import PROTOCOLS
from mila_ros.streaming import OnRequest, Perception, save_bundle

CLASSES = CITYSCAPES7.classes[:5]  # as many as a tiny network has; two are never predicted
CITIES = ("ulm", "bonn")
BASELINE_M, FX_PX = 0.2, 60.0
LABEL_IDS = [7, 11, 17, 21, 23, 24, 26, 0]  # one of each category, and void


@pytest.fixture(scope="module")
def mila(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny MILA that knows Cityscapes' categories."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    description = tiny_description(("segmentation", "depth"))
    for label, name in zip(description["labels"], CLASSES, strict=True):
        label["name"] = name
    save_bundle(folder, tiny_network(("segmentation", "depth")), description)
    return folder


@pytest.fixture(scope="module")
def cityscapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two annotated frames with nine before each, 64x128 pixels of noise."""
    root, random = tmp_path_factory.mktemp("cityscapes"), np.random.default_rng(0)
    for city in CITIES:
        name = f"val/{city}/{city}_000000_{{:06d}}_{{}}"
        for number in range(10, 20):
            rgb = random.integers(0, 256, (64, 128, 3)).astype(np.uint8)
            image = name.format(number, "leftImg8bit.png")
            write_rgb(root / "leftImg8bit_sequence" / image, rgb)
        write_rgb(root / "leftImg8bit" / image, rgb)
        ids = random.choice(LABEL_IDS, (64, 128)).astype(np.uint8)
        write_png(root / "gtFine" / name.format(19, "gtFine_labelIds.png"), ids)
        # Two pixels of disparity are 6 m; zero is unknown, and one is infinitely far.
        raw = random.integers(0, 2000, (64, 128)).astype(np.uint16)
        raw[:4], raw[4:8] = 0, 1
        write_png(root / "disparity" / name.format(19, "disparity.png"), raw)
        inner = {"fx": FX_PX, "fy": FX_PX, "u0": 63.5, "v0": 31.5}
        camera = {"extrinsic": {"baseline": BASELINE_M}, "intrinsic": inner}
        write_text(root / "camera" / name.format(19, "camera.json"), json.dumps(camera))
    return root


def larger(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (512, 256), interpolation=cv2.INTER_LINEAR)


def of_mila(root: Path, mila: Path) -> dict[str, float]:
    """MILA's figures of Cityscapes in float64: by image, then by offset."""
    perception = Perception.load(mila, device="cpu", keyframes=OnRequest(1e9), threads=1)
    rows = []
    for city in sorted(CITIES):
        video = sorted((root / f"leftImg8bit_sequence/val/{city}").iterdir())
        images = [larger(cv2.imread(str(path))[..., ::-1]) for path in video]
        ids = cv2.imread(str(next((root / f"gtFine/val/{city}").iterdir())), -1)
        true = np.full(ids.shape, 255, np.uint8)
        for number, label_id in enumerate(LABEL_IDS[:-1]):
            true[ids == label_id] = number
        raw = cv2.imread(str(next((root / f"disparity/val/{city}").iterdir())), -1)
        true, raw = (
            cv2.resize(m, (512, 256), interpolation=cv2.INTER_NEAREST) for m in (true, raw)
        )
        for offset in range(5):
            camera = f"{city} {offset}"
            for index, image in enumerate(images):
                if index in (4 - offset, 9 - offset):
                    perception.request_keyframe(camera)
                frame = perception.step(
                    image, stamp_ns=round((index + 1) * 1e9 / 17), camera=camera, focal_px=FX_PX * 4
                )
            assert frame.keyframe_age == offset
            said = frame.segmentation
            ious = []
            for number in range(7):
                union = (said == number) | (true == number)
                if union.any():
                    ious.append(((said == number) & (true == number)).sum() / union.sum())
            with np.errstate(invalid="ignore"):
                unit = (256 * BASELINE_M * FX_PX / frame.depth.astype(np.float64) + 1) / 65535
            unit[~(frame.depth > 0)] = np.nan
            known = (raw > 0) & np.isfinite(unit)
            error = np.abs(unit - raw / 65535)[known]
            rows.append(
                (
                    100 * np.mean(ious),
                    100 * np.mean((said == true)[true != 255]),
                    100 * error.mean(),
                    100 * (error / (raw[known] / 65535)).mean(),
                )
            )
    keys = (
        "segmentation/miou_per_image_legacy", "segmentation/pixel_accuracy_per_image",
        "depth/abs_error_mtan", "depth/rel_error_mtan",
    )  # fmt: skip
    return dict(zip(keys, np.mean(rows, axis=0).tolist(), strict=True))


def test_milas_protocol_on_cityscapes(cityscapes, mila, tmp_path, capsys) -> None:
    words = ("--model", mila, "--protocol", "mila-cityscapes", "--data", cityscapes)
    result = evaluate(*words, "--json", tmp_path / "r")
    found = result["protocol"]["measured"]
    assert {key: entry["value"] for key, entry in found.items()} == pytest.approx(
        of_mila(cityscapes, mila), rel=1e-5
    )
    assert not any(entry["averaged_as_in_the_paper"] for entry in found.values())
    by_age = result["results"]["keyframe_every_5"]["by_keyframe_age"]
    assert {age: row["frames"] for age, row in by_age.items()} == dict.fromkeys("01234", 2)
    assert result["settings"]["protocol"] == "mila-cityscapes"
    assert result["settings"]["max_depth_m"] is None
    assert [*result["settings"]["classes"]["cityscapes7"]] == list(CITYSCAPES7.classes)
    paper = {row["model"]: row["figures"] for row in result["protocol"]["rows"]}
    assert paper["MILA"]["segmentation/miou_per_image_legacy"] == 64.3
    said = capsys.readouterr().out
    value = found["segmentation/miou_per_image_legacy"]["value"]
    assert f"≈{value:.1f}" in next(line for line in said.splitlines() if line[:7] == "| tiny ")
    assert "the model sees 128x64; its answers are compared at the protocol's 512x256" in said
    assert "the mean over keyframe offsets 0, 1, 2, 3, 4" in said and "64.3" in said


def test_a_report_has_the_papers_rows(cityscapes, mila, tmp_path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws the plots; pip install matplotlib")
    words = ("--model", mila, "--protocol", "mila-cityscapes", "--data", cityscapes)
    result = evaluate(*words, "--json", tmp_path / "r", "--report", tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    value = result["protocol"]["measured"]["depth/rel_error_mtan"]["value"]
    assert f'<td data-key="protocol/depth/rel_error_mtan">≈{value:.1f}</td>' in page
    assert "<td>D101-MultiTask</td><td>63.8</td><td>94.4</td>" in page
    assert "<h2>Worst frames by segmentation/miou, K = 5</h2>" in page


def test_what_a_network_does_not_need_may_be_missing(cityscapes, tmp_path) -> None:
    root = tmp_path / "data"
    for folder in ("leftImg8bit", "gtFine"):
        (root / folder).parent.mkdir(exist_ok=True)
        (root / folder).symlink_to(cityscapes / folder)
    single = write_network_bundle(
        tmp_path / "single", "multi_task", ["segmentation"], "cityscapes7"
    )
    words = ("--protocol", "mila-cityscapes", "--data", root)
    result = evaluate("--model", single, *words, "--json", tmp_path / "r")
    (ages,) = (r["by_keyframe_age"] for r in result["results"].values())
    assert list(ages) == ["0"] and ages["0"]["frames"] == 2
    measured = result["protocol"]["measured"]
    assert measured["depth/abs_error_mtan"]["value"] is None
    assert measured["segmentation/miou_per_image_legacy"]["value"] > 0
    assert result["settings"]["remarks"][-1].startswith("of the protocol's keyframe offsets")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("leftImg8bit_sequence", r"leftImg8bit_sequence/val is missing \(frames before\); downl"
         r"oad leftImg8bit_sequence_trainvaltest.zip \(324 GB\) of Cityscapes .* from https://www"),
        ("camera", r"camera/val is missing \(K\); download camera_trainvaltest.zip"),
        ("disparity", r"disparity/val is missing \(depth\); download disparity_trainvaltest.zip"),
        ("gtFine", r"gtFine/val is missing \(label\); download gtFine_trainvaltest.zip"),
        ("leftImg8bit", r"leftImg8bit/val is missing \(image\)"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_where_to_get_it(
    cityscapes, mila, tmp_path, missing, sentence
) -> None:
    for folder in cityscapes.iterdir():
        if folder.name != missing:
            (tmp_path / folder.name).symlink_to(folder)
    with pytest.raises(MilaError, match=sentence):
        evaluate("--model", mila, "--protocol", "mila-cityscapes", "--data", tmp_path)


def test_no_data_set_at_all_names_its_page(mila, tmp_path) -> None:
    with pytest.raises(MilaError, match=r"none is missing .*from https://www.cityscapes-dataset"):
        evaluate("--model", mila, "--protocol", "mila-cityscapes", "--data", tmp_path / "none")


def pascal(root: Path) -> dict[str, list[Any]]:
    """Two images of the validation split in ASTMT's layout; what is true in them."""
    scipy_io = pytest.importorskip("scipy.io", reason="scipy reads MATLAB 5; pip install scipy")
    random = np.random.default_rng(1)
    names = ["2008_000002", "2008_000003"]
    write_text(root / "ImageSets/Context/val.txt", "\n".join(names) + "\n")
    true: dict[str, list[Any]] = {"saliency": [], "parts": [], "edges": []}
    (root / "human_parts").mkdir()
    for folder in ("JPEGImages", "pascal-context/trainval"):
        (root / folder).mkdir(parents=True)
    for name in names:
        rgb = random.integers(0, 256, (64, 64, 3)).astype(np.uint8)
        cv2.imwrite(str(root / f"JPEGImages/{name}.jpg"), rgb)
        context = np.zeros((64, 64), np.uint16)
        context[:, int(random.integers(10, 50)) :] = 5
        scipy_io.savemat(root / f"pascal-context/trainval/{name}.mat", {"LabelMap": context})
        salient = cv2.resize(random.integers(0, 2, (8, 8)).astype(np.uint8) * 255, (64, 64), None,
                             interpolation=cv2.INTER_NEAREST)  # fmt: skip
        write_png(root / f"sal_distill/{name}.png", salient)
        write_rgb(
            root / f"normals_distill/{name}.png", np.full((64, 64, 3), (128, 128, 0), np.uint8)
        )
        write_png(root / f"semseg/VOC12/{name}.png", np.full((64, 64), 15, np.uint8))
        head = np.zeros((64, 64), np.uint8)
        head[:32] = 1
        person = {"class": "person", "class_ind": 15, "mask": head,
                  "parts": [{"part_name": "head", "mask": head}]}  # fmt: skip
        people = {"anno": {"objects": [person]}} if name == names[0] else {"anno": {"objects": []}}
        scipy_io.savemat(root / f"human_parts/{name}.mat", people)
        true["saliency"].append(salient > 0)
        true["parts"].append(head if name == names[0] else None)
    return true


def test_mti_nets_protocol_on_pascal(tmp_path, capsys) -> None:
    root = tmp_path / "PASCAL_MT"
    root.mkdir()
    true = pascal(root)
    tasks = ["human_parts", "saliency", "edges", "normals"]
    model = write_network_bundle(tmp_path / "mti", "mti_net", tasks)
    words = ("--model", model, "--protocol", "mti-net-pascal", "--data", root)
    result = evaluate(*words, "--json", tmp_path / "r", "--report", tmp_path / "report")
    measured = {key: entry["value"] for key, entry in result["protocol"]["measured"].items()}
    perception = Perception.load(model, device="cpu", threads=1)
    answers, sizes = [], (512, 512)
    for number, name in enumerate(("2008_000002", "2008_000003")):
        rgb = cv2.imread(str(root / f"JPEGImages/{name}.jpg"))[..., ::-1]
        image = cv2.resize(rgb, sizes, interpolation=cv2.INTER_LINEAR)
        answers.append(perception.step(image, stamp_ns=1, camera=str(number)))
    large = [cv2.resize(s.astype(np.uint8), sizes, interpolation=cv2.INTER_NEAREST) > 0
             for s in true["saliency"]]  # fmt: skip
    ious = []
    for level in range(1, 256):
        said = [answer.saliency >= level for answer in answers]
        pairs = list(zip(said, large, strict=True))
        ious.append(np.mean([(s & t).sum() / (s | t).sum() for s, t in pairs]))
    assert measured["saliency/max_miou"] == pytest.approx(100 * max(ious))
    # Parts are known in the first image only, where the upper half is a head.
    parts, upper = answers[0].human_parts, np.zeros(sizes, bool)
    upper[:256] = True
    shares = [
        np.count_nonzero((parts == 0) & ~upper) / np.count_nonzero((parts == 0) | ~upper),
        np.count_nonzero((parts == 1) & upper) / np.count_nonzero((parts == 1) | upper),
    ]
    shares += [0.0] * len(set(np.unique(parts)) - {0, 1})
    assert measured["human_parts/miou"] == pytest.approx(100 * np.mean(shares))
    towards = np.float32([128, 128, 0]) * np.float32(2 / 255) - 1
    towards = towards / np.linalg.norm(towards)
    angles = [np.degrees(np.arccos(np.clip(a.normals @ towards, -1, 1))).mean() for a in answers]
    assert measured["normals/mean_angle"] == pytest.approx(np.mean(angles), rel=1e-4)
    assert 0 < measured["edges/ods_f"] < 100
    assert measured["segmentation/miou"] is None and measured["delta_m"] is None
    said = capsys.readouterr().out
    assert "edges odsF" in said and "R18-FPN MTI-Net" in said
    page = (tmp_path / "report/index.html").read_text()
    assert "<h2>Worst frames by normals/mean_angle, K = 1</h2>" in page


def test_the_list_names_every_protocol(capsys) -> None:
    assert evaluate("--protocol", "list") == {}
    said = capsys.readouterr().out
    assert all(f"{name}: " in said for name in PROTOCOLS)
    assert "cityscapes val (500 frames), resized to 256x512, cityscapes7, depth=mtan" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--protocol", "mila"), "no protocol 'mila'; there are mila-cityscapes"),
        (("--protocol", "mila-cityscapes"), "needs --data, the folder of its data set"),
        (("--data", "."), "--data is the data set of a --protocol"),
        (("--protocol", "mila-nyuv2", "--data", ".", "--keyframe-every", "3"),
         "--keyframe-every cannot go with --protocol"),
        (("drive.mcap", "--protocol", "mila-nyuv2", "--data", "."), "BAG cannot go with --proto"),
        (("--protocol", "mti-net-pascal", "--data", "."),
         r"(segmentation, human_parts.*predicts segmentation, depth|is missing)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(mila, words, sentence) -> None:
    with pytest.raises(MilaError, match=sentence):
        evaluate("--model", mila, *words)


def test_a_protocol_of_other_tasks_is_refused(tmp_path) -> None:
    model = write_network_bundle(tmp_path / "edges", "mti_net", ["edges"])
    with pytest.raises(MilaError, match="about segmentation, depth; the model edges predicts edge"):
        evaluate("--model", model, "--protocol", "mila-cityscapes", "--data", tmp_path)
