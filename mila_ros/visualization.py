# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: colours for class ids, depth and motion, and the labelled side-by-side.

Every picture is uint8 [H, W, 3] in RGB order. Nothing here knows about ROS or torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
"""The class id of a pixel without a class, as in vision_msgs/VisionClass."""

Color = tuple[int, int, int]
Picture = NDArray[np.uint8]

_BACKGROUND: Color = (24, 26, 30)
_TEXT: Color = (240, 242, 245)
_KEYFRAME: Color = (255, 196, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BAR = 34  # pixels of a text row
_GAP = 6


def palette_lut(colors: Sequence[Sequence[int]] | Mapping[int, Sequence[int]]) -> Picture:
    """Table [256, 3] from class id to RGB.

    Args:
        colors: RGB by class id: a sequence whose positions are the ids, or a mapping.

    Returns:
        uint8 [256, 3]. Ids without a colour are mid grey, 255 (unlabelled) is black.

    Raises:
        ValueError: For an id outside 0..254 or a colour that is not three numbers in 0..255.
    """
    lut = np.full((256, 3), 128, np.uint8)
    lut[UNLABELLED] = 0
    for class_id, color in colors.items() if isinstance(colors, Mapping) else enumerate(colors):
        if not 0 <= class_id < UNLABELLED:
            raise ValueError(f"class id {class_id} is not in 0..254")
        if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
            raise ValueError(f"the color of class {class_id} must be three numbers in 0..255")
        lut[class_id] = color
    return lut


def colorize_segmentation(mask: Picture, lut: Picture) -> Picture:
    """RGB picture [H, W, 3] of the class ids uint8 [H, W], through the table of `palette_lut`."""
    return cv2.LUT(cv2.merge([mask, mask, mask]), np.ascontiguousarray(lut).reshape(1, 256, 3))


def overlay_segmentation(rgb: Picture, mask: Picture, lut: Picture, alpha: float = 0.5) -> Picture:
    """The image with the colours of its classes blended over it; unlabelled pixels stay untouched.

    Args:
        rgb: uint8 [H, W, 3].
        mask: Class ids, uint8 [H, W].
        lut: The table of `palette_lut`.
        alpha: Weight of the colours, 0 (image only) to 1 (colours only).
    """
    blended = cv2.addWeighted(rgb, 1.0 - alpha, colorize_segmentation(mask, lut), alpha, 0.0)
    cv2.copyTo(rgb, cv2.compare(mask, UNLABELLED, cv2.CMP_EQ), blended)
    return blended


def colorize_depth(depth: NDArray[np.float32], near_m: float, far_m: float) -> Picture:
    """Depth on a logarithmic scale, from warm (near) to dark blue (far).

    Args:
        depth: Metres, float32 [H, W]; NaN is unknown, +inf beyond range, -inf too near (REP-117).
        near_m: Depth of the warmest colour; nearer is clipped to it. Positive.
        far_m: Depth of the coldest colour; farther is clipped to it.

    Returns:
        uint8 [H, W, 3]; unknown pixels are black, which no depth has.

    Raises:
        ValueError: Unless 0 < near_m < far_m.
    """
    if not 0 < near_m < far_m:
        raise ValueError(f"depth colors need 0 < near_m < far_m, not {near_m} and {far_m}")
    clipped = np.clip(np.nan_to_num(depth, nan=far_m, posinf=far_m, neginf=near_m), near_m, far_m)
    nearness = cv2.log(clipped / np.float32(far_m)) / np.float32(np.log(near_m / far_m))
    # The very ends of turbo are nearly black; they would look like unknown pixels.
    levels = np.rint(20 + nearness * 225).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    colors[np.isnan(depth)] = 0
    return colors


def overlay_motion(rgb: Picture, motion: Picture, color: Color = (255, 0, 80)) -> Picture:
    """The image with moving pixels tinted and outlined.

    Args:
        rgb: uint8 [H, W, 3].
        motion: uint8 [H, W]; 255 moving, everything else not.
        color: RGB of the tint and the outline.
    """
    moving = cv2.compare(motion, 255, cv2.CMP_EQ)
    tint = np.empty_like(rgb)
    tint[:] = color
    picture = rgb.copy()
    cv2.copyTo(cv2.addWeighted(rgb, 0.5, tint, 0.5, 0.0), moving, picture)
    contours, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.drawContours(picture, contours, -1, color, max(1, round(rgb.shape[0] / 250)))


@dataclass(frozen=True)
class Panel:
    """One picture of a side-by-side with its label; all panels are drawn at one size."""

    label: str
    picture: Picture


def side_by_side(
    panels: Sequence[Panel],
    title: str,
    *,
    is_keyframe: bool = False,
    legend: Iterable[tuple[str, Color]] = (),
    depth_range_m: tuple[float, float] | None = None,
    columns: int = 2,
    panel_width: int = 640,
) -> Picture:
    """Labelled panels on a dark sheet, with a title, a keyframe mark and a legend.

    Args:
        panels: At least one panel, in reading order. All are scaled to the first one's aspect.
        title: Text of the head, such as the frame's number and stamp.
        is_keyframe: Draws the mark KEYFRAME in the head and a frame in its colour.
        legend: Names and colours of the classes, for the foot.
        depth_range_m: Draws the depth scale from the nearest to the farthest metres in the foot.
        columns: Panels in a row.
        panel_width: Width of a panel in pixels.

    Raises:
        ValueError: Without a panel.
    """
    if not panels:
        raise ValueError("a side-by-side needs at least one panel")
    height, width = panels[0].picture.shape[:2]
    size = (panel_width, max(1, round(panel_width * height / width)))
    cells = [_panel(panel, size) for panel in panels]
    columns = min(columns, len(cells))
    cells += [_sheet(*cells[0].shape[:2])] * (-len(cells) % columns)
    rows = [_join(cells[first : first + columns], 1) for first in range(0, len(cells), columns)]
    body = _join(rows, 0)
    foot = _foot(body.shape[1], list(legend), depth_range_m)
    sheet = _join([_head(body.shape[1], title, is_keyframe), body, *foot], 0)
    border = _KEYFRAME if is_keyframe else _BACKGROUND
    return cv2.copyMakeBorder(sheet, _GAP, _GAP, _GAP, _GAP, cv2.BORDER_CONSTANT, value=border)


def _sheet(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _BACKGROUND, np.uint8)


def _join(pictures: Sequence[Picture], axis: int) -> Picture:
    gap_shape = [_GAP, pictures[0].shape[1]] if axis == 0 else [pictures[0].shape[0], _GAP]
    gap = _sheet(*gap_shape)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.ascontiguousarray(np.concatenate(parts, axis=axis))


def _text(picture: Picture, text: str, left: int, baseline: int, scale: float, color: Color) -> int:
    """Writes text and returns its right end."""
    cv2.putText(picture, text, (left, baseline), _FONT, scale, color, 1, cv2.LINE_AA)
    return left + cv2.getTextSize(text, _FONT, scale, 1)[0][0]


def _panel(panel: Panel, size: tuple[int, int]) -> Picture:
    shrinks = size[0] < panel.picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    picture = cv2.resize(panel.picture, size, interpolation=interpolation)
    label = _sheet(_BAR - 8, size[0])
    _text(label, panel.label, 8, _BAR - 16, 0.55, _TEXT)
    return np.ascontiguousarray(np.concatenate([label, picture], axis=0))


def _head(width: int, title: str, is_keyframe: bool) -> Picture:
    head = _sheet(_BAR, width)
    _text(head, title, 8, _BAR - 11, 0.6, _TEXT)
    if is_keyframe:
        mark = "KEYFRAME"
        left = width - cv2.getTextSize(mark, _FONT, 0.6, 1)[0][0] - 16
        cv2.rectangle(head, (left, 4), (width - 1, _BAR - 5), _KEYFRAME, cv2.FILLED)
        _text(head, mark, left + 8, _BAR - 11, 0.6, (0, 0, 0))
    return head


def _foot(
    width: int, legend: list[tuple[str, Color]], depth_range_m: tuple[float, float] | None
) -> list[Picture]:
    rows = [_sheet(_BAR - 8, width)]
    left = 8
    for name, color in legend:
        needed = 22 + cv2.getTextSize(name, _FONT, 0.5, 1)[0][0]
        if left + needed > width and left > 8:
            rows.append(_sheet(_BAR - 8, width))
            left = 8
        cv2.rectangle(rows[-1], (left, 6), (left + 14, 20), color, cv2.FILLED)
        cv2.rectangle(rows[-1], (left, 6), (left + 14, 20), _TEXT, 1)
        left = _text(rows[-1], name, left + 22, 18, 0.5, _TEXT) + 20
    if not legend:
        rows = []
    if depth_range_m is not None:
        rows.append(_depth_scale(width, *depth_range_m))
    return rows


def _depth_scale(width: int, near_m: float, far_m: float) -> Picture:
    scale = _sheet(_BAR - 8, width)
    left = _text(scale, f"depth  {near_m:g} m", 8, 18, 0.5, _TEXT) + 8
    right = min(left + 360, width - 90)
    if right > left:
        metres = np.geomspace(near_m, far_m, right - left, dtype=np.float32)
        scale[6:21, left:right] = colorize_depth(metres[None], near_m, far_m)
        _text(scale, f"{far_m:g} m", right + 8, 18, 0.5, _TEXT)
    return scale
