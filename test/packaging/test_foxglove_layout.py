# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Foxglove layout is one, and shows topics that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mila_ros.ros.topics import DIAGNOSTICS, OF_EACH_CAMERA

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = json.loads((ROOT / "config/foxglove_layout.json").read_text("utf-8"))
PANELS = LAYOUT["configById"]
CAMERA = {"/image_raw", "/camera_info"}


def leaves(tree: str | dict[str, Any]) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
        return
    assert set(tree) == {"first", "second", "direction", "splitPercentage"}
    assert tree["direction"] in ("row", "column") and 0 < tree["splitPercentage"] < 100
    yield from leaves(tree["first"])
    yield from leaves(tree["second"])


def topics() -> Iterator[str]:
    for panel in PANELS.values():
        mode = panel.get("imageMode", {})
        yield from (mode[key] for key in ("imageTopic", "calibrationTopic") if key in mode)
        yield from panel.get("topics", {})
        for path in panel.get("paths", []):
            assert path["enabled"] and path["timestampMethod"] == "receiveTime"
            topic, _, field = path["value"].rpartition(".")
            assert field == "data"
            yield topic


def test_every_panel_has_one_place() -> None:
    assert set(LAYOUT) == {
        "configById", "globalVariables", "userNodes", "playbackConfig", "layout",
    }  # fmt: skip
    assert sorted(leaves(LAYOUT["layout"])) == sorted(PANELS)
    kinds = {name.partition("!")[0] for name in PANELS}
    assert kinds == {"Image", "3D", "Plot", "DiagnosticSummary"}


def test_every_topic_is_one_of_the_nodes() -> None:
    offered = {f"/mila/{topic.name}" for topic in OF_EACH_CAMERA} | CAMERA
    shown = list(topics())
    assert len(shown) == 4 * 2 + 1 + 3
    assert set(shown) <= offered
    assert PANELS["DiagnosticSummary!states"]["topicToRender"] == DIAGNOSTICS.name


def test_depth_is_coloured_in_metres() -> None:
    depth = PANELS["Image!depth"]["imageMode"]
    assert depth["imageTopic"] == "/mila/depth/image"
    assert depth["colorMode"] == "colormap" and depth["minValue"] < depth["maxValue"]
