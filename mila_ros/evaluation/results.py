# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation as a document for JSON, and as tables for a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mila_ros import __version__
from mila_ros.errors import MilaError
from mila_ros.streaming import Bundle

from .plan import Plan, Played
from .pool import by_age, total

COLUMNS = {
    "segmentation/miou": "mIoU",
    "segmentation/pixel_accuracy": "accuracy",
    "temporal/consistency": "consistency",
    "depth/abs_error": "depth abs m",
    "depth/rel_error": "rel",
    "depth/rel_error_aligned": "rel aligned",
    "depth/median_scale": "scale",
    "depth/delta1": "δ1",
    "normals/mean_angle": "normals °",
    "edges/ods_f": "edges odsF",
    "saliency/max_miou": "saliency IoU",
    "human_parts/miou": "parts mIoU",
    "motion/iou": "motion IoU",
    "motion/precision": "precision",
    "motion/recall": "recall",
    "motion/false_share": "false share",
}
"""What the terminal shows, and how it calls it; the document has everything."""


def document(
    bundle: Bundle, plan: Plan, played: Sequence[Played], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole evaluation; None stands for a figure without a pixel to stand on."""
    scheme = plan.scheme
    content = {
        "mila_ros": __version__,
        "model": {"name": bundle.name, "weights_sha256": bundle.weights_sha256},
        "settings": {
            "keyframe_every": list(plan.keyframe_every),
            "offsets": plan.offsets,
            "lead_frames": plan.lead,
            "max_depth_m": scheme.max_depth_m,
            "depth_is_metric": scheme.metric,
            "classes": {c.name: list(c.classes) for c in (scheme.fine, *scheme.coarser)},
            **settings,
        },
        "sources": [
            {"name": one.name, "depth_scale_assumed": one.depth_scale_assumed} for one in played
        ],
        "results": {
            f"keyframe_every_{interval}": _results(played, interval)
            for interval in plan.keyframe_every
        },
    }
    return dict(_plain(content))


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write the document.

    Raises:
        MilaError: The file cannot be written.
    """
    try:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise MilaError(f"{path} cannot be written: {error.strerror}; name another file") from error


def notes(content: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on what the figures of a document rest on."""
    settings = content["settings"]
    name, classes = next(iter(settings["classes"].items()))
    yield f"{content['model']['name']} on {len(content['sources'])} clips or bags"
    if classes:
        listed = "the model's own list" if name == "own" else name
        yield f"segmentation in {len(classes)} classes ({listed})"
    if settings["max_depth_m"] is not None:
        yield f"depth where the truth is within {settings['max_depth_m']:g} m"
    if settings["lead_frames"]:
        yield f"the first {settings['lead_frames']} frames of each video lead up and do not count"
    if "keyframes" in settings:
        yield settings["keyframes"]
    yield from settings.get("remarks", ())
    if "mask_ids" in settings:
        yield settings["mask_ids"]
    if any(source["depth_scale_assumed"] for source in content["sources"]):
        yield "not all are calibrated: without a focal length the scale of depth is a guess"


def tables(content: Mapping[str, Any]) -> str:
    """What a person wants to see first."""
    parts = []
    for name, results in content["results"].items():
        rows = {f"age {age}": figures for age, figures in results["by_keyframe_age"].items()}
        rows = {"all": results["all"], **(rows if len(rows) > 1 else {})}
        parts.append(_table(name.replace("_", " "), rows, list(_columns(results["all"]))))
    classes = {name: results["by_class"] for name, results in content["results"].items()}
    if any(value is not None for iou in classes.values() for value in iou.values()):
        names = list(next(iter(classes.values())))
        lines = [f"{'IoU by class':<22}" + "".join(f"{_interval(n):>9}" for n in classes)]
        for name in names:
            values = (_figure(iou[name]) for iou in classes.values())
            lines.append(f"{name:<22}" + "".join(f"{value:>9}" for value in values))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _results(played: Sequence[Played], interval: int) -> dict[str, Any]:
    everything = total(played, interval)
    assert everything is not None, "the command refuses sources too short to be scored"
    fine, *coarser = everything.segmentation
    return {
        "all": everything.result(),
        "by_keyframe_age": {
            str(age): scores.result() for age, scores in by_age(played, interval).items()
        },
        "by_class": fine.iou(),
        **{
            f"by_class_{target.name}": metrics.iou()
            for target, metrics in zip(everything.scheme.coarser, coarser, strict=True)
        },
        "confusion": fine.confusion.tolist(),
        "depth_by_distance": everything.depth_by_distance(),
        "by_source": {
            one.name: scores.result()
            for one in played
            if (scores := total([one], interval)) is not None
        },
    }


def _plain(value: Any) -> Any:
    """As JSON has it: no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _columns(figures: Mapping[str, float | None]) -> Iterable[str]:
    """The metrics of the table that there is a figure for; coarser lists after the fine one."""
    for key in COLUMNS:
        if figures.get(key) is not None:
            yield key
        if key == "segmentation/miou":
            for other in figures:
                if other.startswith("segmentation/") and other.count("/") == 2:
                    if other.endswith("/miou") and figures[other] is not None:
                        yield other


def _heading(key: str) -> str:
    if key in COLUMNS:
        return COLUMNS[key]
    return f"mIoU {key.split('/')[1]}"


def _table(
    title: str, rows: Mapping[str, Mapping[str, float | None]], columns: Sequence[str]
) -> str:
    widths = [max(len(_heading(key)), 7) + 2 for key in columns]
    header = f"{title:<22}{'frames':>8}"
    lines = [header + "".join(f"{_heading(k):>{w}}" for k, w in zip(columns, widths, strict=True))]
    for name, figures in rows.items():
        cells = (f"{_figure(figures[k]):>{w}}" for k, w in zip(columns, widths, strict=True))
        lines.append(f"{name:<22}{figures['frames'] or 0:>8.0f}" + "".join(cells))
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(name: str) -> str:
    return f"K={name.rpartition('_')[2]}"
