# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Δm: one number for how much better a multi-task network is than one network per task."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from ..errors import MilaError


def delta_m(
    multi: Mapping[str, float], single: Mapping[str, float], lower_is_better: Collection[str]
) -> float:
    """Mean relative gain over the tasks, in percent (MTI-Net, equation 2; ASTMT, equation 4).

    Above zero the multi-task network is better. ASTMT's tables print the drop, its negative.

    Args:
        multi: The multi-task network's figure for each task, one per task: mIoU for segmentation,
            human parts and saliency, RMSE for depth, mean angle for normals, F-measure for edges.
        single: Those of networks that were trained for one task each, under the same names.
        lower_is_better: Names of the figures that are errors.

    Raises:
        MilaError: When the names do not match, there are none, a figure is not finite, or one to
            compare with is not above zero.
    """
    if not multi:
        raise MilaError("Δm needs at least one figure")
    if set(multi) != set(single):
        odd = sorted(set(multi) ^ set(single))
        raise MilaError(
            f"Δm compares like with like, but {', '.join(odd)} is given for one side only"
        )
    if unknown := sorted(set(lower_is_better) - set(multi)):
        raise MilaError(
            f"{unknown[0]} is said to be better when lower, but no such figure is given"
        )
    gains = []
    for name, figure in multi.items():
        base = single[name]
        if not (math.isfinite(figure) and math.isfinite(base)):
            raise MilaError(
                f"{name} is {figure} against {base}: Δm needs figures that were measured"
            )
        if base <= 0:
            raise MilaError(
                f"a gain relative to {name} = {base} means nothing; it must be above zero"
            )
        gain = (figure - base) / base
        gains.append(-gain if name in lower_is_better else gain)
    return 100 * sum(gains) / len(gains)
