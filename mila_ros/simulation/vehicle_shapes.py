# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of vehicles, as silhouettes with windows."""

from __future__ import annotations

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]


def _points(text: str) -> Points:
    """Pairs of numbers, the pairs set apart by commas."""
    pairs = (pair.split() for pair in text.split(","))
    return tuple((float(a), float(b)) for a, b in pairs)


@dataclass(frozen=True)
class Shape:
    """A kind of vehicle.

    Attributes:
        class_name: Its class.
        size: Length, width and height in metres, of the lofted body and its wheels.
        top: Its silhouette from rear to front as shares of length (-0.5..0.5) and height.
        windows: Side windows from rear to front, as shares of the length.
        belt: Height of the windows' lower edge as a share of the height.
        axles: Where the wheels are, as shares of the length.
        wheel: Radius of the wheels in metres; 0 hides them.
        lean: How far the windows lean inwards, as a share of their height.
        doors: Doors a side, as seams in the paint.
    """

    class_name: str
    size: tuple[float, float, float]
    top: Points
    windows: Points
    belt: float = 0.6
    axles: tuple[float, ...] = (-0.3, 0.32)
    wheel: float = 0.32
    lean: float = 0.35
    doors: int = 2


SHAPES = {
    "saloon": Shape(
        "car",
        (4.6, 1.82, 1.45),
        _points(
            "-0.5 0.5, -0.485 0.6, -0.35 0.66, -0.21 0.95, -0.13 1, 0.06 1, 0.12 0.96, "
            "0.32 0.645, 0.44 0.58, 0.49 0.5, 0.5 0.36"
        ),
        _points("-0.24 -0.08, -0.06 0.16"),
    ),
    "hatchback": Shape(
        "car",
        (4.0, 1.76, 1.5),
        _points(
            "-0.5 0.4, -0.49 0.62, -0.42 0.9, -0.36 0.98, 0.04 1, 0.12 0.96, 0.32 0.645, "
            "0.44 0.58, 0.49 0.5, 0.5 0.36"
        ),
        _points("-0.38 -0.16, -0.14 0.15"),
        doors=1,
    ),
    "estate": Shape(
        "car",
        (4.7, 1.83, 1.5),
        _points(
            "-0.5 0.45, -0.49 0.64, -0.43 0.93, -0.38 0.99, 0.04 1, 0.11 0.96, "
            "0.32 0.645, 0.44 0.58, 0.49 0.5, 0.5 0.36"
        ),
        _points("-0.42 -0.27, -0.25 -0.08, -0.06 0.15"),
    ),
    "suv": Shape(
        "car",
        (4.6, 1.92, 1.72),
        _points(
            "-0.5 0.4, -0.495 0.65, -0.45 0.93, -0.4 0.99, 0.06 1, 0.13 0.96, 0.28 0.68, "
            "0.46 0.62, 0.495 0.52, 0.5 0.3"
        ),
        _points("-0.43 -0.28, -0.26 -0.08, -0.06 0.15"),
        belt=0.63,
        wheel=0.38,
        lean=0.25,
    ),
    "city car": Shape(
        "car",
        (3.4, 1.65, 1.52),
        _points(
            "-0.5 0.35, -0.49 0.7, -0.45 0.93, -0.36 1, 0.08 1, 0.18 0.95, 0.37 0.64, "
            "0.48 0.54, 0.5 0.34"
        ),
        _points("-0.36 -0.12, -0.1 0.22"),
        axles=(-0.34, 0.36),
        wheel=0.29,
        doors=1,
    ),
    "coupe": Shape(
        "car",
        (4.4, 1.85, 1.3),
        _points(
            "-0.5 0.52, -0.48 0.66, -0.36 0.72, -0.14 0.98, -0.06 1, 0.02 0.99, "
            "0.08 0.95, 0.26 0.67, 0.44 0.58, 0.49 0.48, 0.5 0.34"
        ),
        _points("-0.2 0.11"),
        lean=0.45,
        doors=1,
    ),
    "pick-up": Shape(
        "car",
        (5.2, 1.9, 1.8),
        _points(
            "-0.5 0.4, -0.498 0.56, -0.13 0.58, -0.11 0.93, -0.07 1, 0.06 1, 0.12 0.95, "
            "0.22 0.66, 0.46 0.6, 0.495 0.5, 0.5 0.3"
        ),
        _points("-0.09 0.14"),
        belt=0.62,
        wheel=0.39,
        lean=0.2,
    ),
    "van": Shape(
        "car",
        (5.3, 2.0, 2.2),
        _points(
            "-0.5 0.3, -0.497 0.95, -0.48 1, 0.2 1, 0.26 0.96, 0.38 0.6, 0.475 0.52, "
            "0.495 0.42, 0.5 0.24"
        ),
        _points("0.14 0.3"),
        belt=0.55,
        wheel=0.34,
        lean=0.12,
        doors=1,
    ),
    "minibus": Shape(
        "car",
        (5.1, 2.0, 2.0),
        _points(
            "-0.5 0.3, -0.497 0.94, -0.47 1, 0.14 1, 0.22 0.95, 0.36 0.6, 0.47 0.53, "
            "0.495 0.43, 0.5 0.25"
        ),
        _points("-0.46 -0.22, -0.2 0.06, 0.08 0.24"),
        belt=0.55,
        wheel=0.34,
        lean=0.15,
    ),
    "lorry cab": Shape(
        "truck",
        (2.2, 2.4, 2.8),
        _points(
            "-0.5 0.25, -0.495 0.92, -0.45 0.99, 0.3 1, 0.36 0.95, 0.46 0.52, 0.49 0.46, 0.5 0.16"
        ),
        _points("-0.2 0.34"),
        belt=0.52,
        axles=(0.15,),
        wheel=0.48,
        lean=0.06,
        doors=1,
    ),
    "tractor cab": Shape(
        "truck",
        (2.3, 2.45, 3.5),
        _points("-0.5 0.2, -0.495 0.9, -0.4 1, 0.2 0.98, 0.36 0.86, 0.44 0.5, 0.49 0.44, 0.5 0.12"),
        _points("-0.15 0.34"),
        belt=0.48,
        axles=(0.15,),
        wheel=0.5,
        lean=0.05,
        doors=1,
    ),
    "bus": Shape(
        "bus",
        (11.5, 2.52, 3.05),
        _points("-0.5 0.9, -0.495 0.97, -0.48 1, 0.47 1, 0.485 0.96, 0.498 0.45, 0.5 0.2"),
        _points(
            "-0.46 -0.32, -0.307 -0.167, -0.154 -0.014, -0.001 0.139, 0.152 0.292, "
            "0.305 0.445, 0.445 0.48"
        ),
        belt=0.42,
        axles=(-0.26, 0.27),
        wheel=0.48,
        lean=0.03,
        doors=0,
    ),
    "coach": Shape(
        "bus",
        (12.0, 2.52, 3.5),
        _points("-0.5 0.85, -0.49 0.97, -0.47 1, 0.42 1, 0.45 0.95, 0.497 0.42, 0.5 0.2"),
        _points(
            "-0.46 -0.32, -0.307 -0.167, -0.154 -0.014, -0.001 0.139, 0.152 0.292, "
            "0.305 0.445, 0.44 0.455"
        ),
        belt=0.5,
        axles=(-0.27, 0.3),
        wheel=0.5,
        lean=0.05,
        doors=0,
    ),
    "tram": Shape(
        "train",
        (18.0, 2.4, 3.3),
        _points(
            "-0.5 0.2, -0.498 0.42, -0.475 0.93, -0.46 1, 0.46 1, 0.475 0.93, 0.498 0.42, 0.5 0.2"
        ),
        _points(
            "-0.46 -0.32, -0.307 -0.167, -0.154 -0.014, -0.001 0.139, 0.152 0.292, 0.305 0.445"
        ),
        belt=0.42,
        axles=(-0.3, 0.3),
        wheel=0.0,
        lean=0.03,
        doors=0,
    ),
}
