# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report is one page that parses, says the document's figures and holds its pictures."""

from __future__ import annotations

import base64
import json
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from evaluation_bench import evaluate, make_clip
from helpers import make_tiny_bundle

from mila_ros.errors import MilaError
from mila_ros.evaluation import gallery
from mila_ros.evaluation.plan import Played, Scored

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Cells by their key, the pictures, headings and the data of the script."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.pictures, self.headings = [], {}, [], []
        self.data, self.key = "", None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.key = attrs.get("data-key")
        if tag == "img":
            self.pictures.append(attrs["src"])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.key = None

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data += data
        elif self.key is not None:
            self.cells[self.key] = data
        elif self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def page_and_document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    bundle = make_tiny_bundle(folder / "tiny")
    for name in "ab":
        make_clip(folder / "clips" / name, frames=4, seed=ord(name))
    document = evaluate(
        "--model", bundle, "--clips", folder / "clips", "--keyframe-every", 1, 3,
        "--json", folder / "r.json", "--report", folder / "report",
    )  # fmt: skip
    page = Page()
    page.feed((folder / "report" / "index.html").read_text(encoding="utf-8"))
    assert page.open == []
    return page, document


def test_every_figure_is_the_documents(page_and_document):
    page, document = page_and_document
    assert json.loads(page.data) == document
    results = document["results"]
    places = {}
    for name, result in results.items():
        places |= {f"{name}/{key}": value for key, value in result["all"].items()}
        places |= {f"{name}/by_class/{key}": value for key, value in result["by_class"].items()}
        for age, figures in result["by_keyframe_age"].items():
            places |= {f"{name}/by_keyframe_age/{age}/{k}": v for k, v in figures.items()}
    for source, figures in results["keyframe_every_1"]["by_source"].items():
        places |= {f"{source}/{key}": value for key, value in figures.items()}
    assert len(page.cells) > 100
    for key, text in page.cells.items():
        assert float(text) == pytest.approx(places[key], abs=5.1e-5), key
    assert "keyframe_every_3/by_keyframe_age/2/depth/rel_error_aligned" in page.cells


def test_plots_and_pictures_are_in_the_page(page_and_document):
    page, _ = page_and_document
    assert [heading for heading in page.headings if "frames by" in heading] == [
        "Best frames by segmentation/miou, K = 3",
        "Worst frames by segmentation/miou, K = 3",
    ]
    assert [heading for heading in page.headings if ":" in heading or " over " in heading] == [
        "Accuracy over the age of the keyframe",
        "Depth error over distance",
        "Motion: precision and recall",
    ]
    assert "Confusion of classes" in page.headings
    for source in page.pictures:
        kind, data = source.split(";base64,")
        assert kind in ("data:image/png", "data:image/jpeg")
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert min(picture.shape[:2]) > 200 and picture.std() > 10
    # Four plots; two clips of frames that are all neighbours give one picture each, twice.
    assert len(page.pictures) == 8


def test_best_and_worst_are_ranked_and_apart():
    def played(name, values):
        figures = [{"segmentation/miou": value} for value in values]
        return Played(name, {}, {2: [Scored(i, 0, 0, f) for i, f in enumerate(figures)]})

    nan = float("nan")
    key, best, worst = gallery.rank(
        [played("a", [0.9, 0.8] + [0.5] * 8), played("b", [0.85, nan, 0.1] + [0.6] * 7)], 2, 2
    )
    assert key == "segmentation/miou"
    assert [(r.source, r.scored.index) for r in best] == [(0, 0), (1, 0)]
    # The second is the last of the equals.
    assert [(r.source, r.scored.index) for r in worst] == [(1, 2), (0, 9)]
    assert gallery.rank([played("c", [nan])], 2, 2) == ("", [], [])


def test_without_matplotlib_it_is_one_sentence(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MilaError, match="matplotlib, which is not installed; run: pip install"):
        evaluate("--clips", tmp_path, "--report", tmp_path / "report")
    assert not (tmp_path / "report").exists()
