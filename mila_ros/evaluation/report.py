# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation as one HTML page that holds all of its pictures."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2

from mila_ros.errors import MilaError

from . import gallery, plots
from .plan import Played
from .play import Player
from .report_tables import protocol_table, tables
from .results import notes
from .sources import LabelledSource

PAGE = "index.html"
_PICTURES = 3  # of the best frames, and of the worst

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1300px; padding: 0 1em;
  color: #222; }
table { border-collapse: collapse; margin: .6em 0 1.6em; font-variant-numeric: tabular-nums; }
th, td { padding: .15em .7em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1em 0 2em; } figcaption { color: #555; max-width: 60em; }
img { max-width: 100%; } .scroll { overflow-x: auto; }
"""


def check_report(folder: Path) -> None:
    """Refuse now what would fail when the work is done.

    Raises:
        MilaError: matplotlib is missing, or the folder cannot be made.
    """
    plots.check_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MilaError(
            f"the folder {folder} cannot be made: {error.strerror}; name another for --report"
        ) from error


def write_report(
    folder: Path,
    content: Mapping[str, Any],
    player: Player,
    sources: Sequence[LabelledSource],
    played: Sequence[Played],
) -> Path:
    """Write the page, and return its path.

    Args:
        folder: Made when it does not exist.
        content: The document of `results.document`.
        player: What it was measured with; plays the pictured frames again.
        sources: What was played.
        played: What each gave.

    Raises:
        MilaError: It cannot be written, or a source can no longer be read.
    """
    own = player.perception.bundle.keyframe_every
    intervals = player.plan.keyframe_every
    interval = own if own in intervals else intervals[0]
    return write_page(folder, content, interval, _pictures(player, sources, played, interval))


def write_page(
    folder: Path, content: Mapping[str, Any], interval: int, more: Sequence[str] = ()
) -> Path:
    """Write tables and plots of a document, and return the page's path.

    Args:
        folder: Made when it does not exist.
        content: The document of `results.document`.
        interval: The keyframe interval that is plotted, one of the document's.
        more: What follows, as HTML.

    Raises:
        MilaError: It cannot be written.
    """
    parts = [
        f"<h1>{escape(content['model']['name'])}, measured</h1>",
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes(content)) + "</ul>",
        *(protocol_table(content["protocol"]) if "protocol" in content else []),
        *tables(content["results"]),
        *_plots(content, interval),
        *more,
    ]
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        f"<title>{escape(content['model']['name'])}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + f'\n<script type="application/json" id="results">{data}</script>\n</body></html>\n'
    )
    path = folder / PAGE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise MilaError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _plots(content: Mapping[str, Any], interval: int) -> list[str]:
    results = content["results"]
    main = results[f"keyframe_every_{interval}"]
    classes = next(iter(content["settings"]["classes"].values()))
    captioned = {
        "Accuracy over the age of the keyframe": (
            plots.over_age(results),
            "Each point pools all frames at this distance to their keyframe.",
        ),
        "Confusion of classes": (
            plots.confusion(main["confusion"], classes),
            f"Share of the pixels of each true class by predicted class, K = {interval}.",
        ),
        "Depth error over distance": (
            plots.over_distance(results),
            "Mean of |predicted - true| / true by true depth.",
        ),
        "Motion: precision and recall": (
            plots.precision_recall(main),
            f"At the model's own threshold, K = {interval}. The model answers moving or not and "
            "gives no probability, so there is no curve over thresholds: the points show how far "
            "clips differ from each other. Clips in which nothing moves, or nothing is said to "
            "move, have no point.",
        ),
    }
    return [
        f"<h2>{escape(title)}</h2>" + _image(picture, "png", title, caption)
        for title, (picture, caption) in captioned.items()
        if picture is not None
    ]


def _pictures(
    player: Player, sources: Sequence[LabelledSource], played: Sequence[Played], interval: int
) -> list[str]:
    key, best, worst = gallery.rank(played, interval, _PICTURES)
    pictures = iter(gallery.draw(player, sources, interval, [*best, *worst]))
    parts = []
    for title, frames in (("Best frames", best), ("Worst frames", worst)):
        if frames:
            parts.append(f"<h2>{title} by {escape(key)}, K = {interval}</h2>")
        for ranked in frames:
            scored = ranked.scored
            picture = next(pictures)[..., ::-1]
            encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
            caption = (
                f"{sources[ranked.source].name}, frame {scored.index}, {scored.age} after its "
                f"keyframe: {key} {scored.figures[key]:.4f}"
            )
            parts.append(_image(encoded.tobytes(), "jpeg", caption, caption))
    return parts


def _image(data: bytes, kind: str, title: str, caption: str) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return (
        f'<figure><img alt="{escape(title)}" src="data:image/{kind};base64,{encoded}"/>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
