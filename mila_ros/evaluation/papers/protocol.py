# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a paper's evaluation consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A column of a paper's table.

    Attributes:
        key: How evaluation calls it, with its convention.
        heading: How the paper calls it.
        scale: The paper prints ``scale`` times what evaluation gives.
        higher_is_better: Which way is up.
        convention: How the paper averages it.
        decimals: As the paper prints it.
        exact: Whether evaluation averages as the paper does; else its figure is near the paper's.
    """

    key: str
    heading: str
    scale: float
    higher_is_better: bool
    convention: str
    decimals: int = 1
    exact: bool = True


@dataclass(frozen=True)
class Row:
    """A row of a paper's table.

    Attributes:
        model: As the paper names it.
        figures: By `Metric.key`, as the paper prints them; what it leaves out is not there.
        source: Table or section.
    """

    model: str
    figures: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Protocol:
    """How a paper evaluates.

    Attributes:
        name: How the command line calls it.
        paper: Who and where.
        dataset: Name of the data set (`mila_ros.data.datasets.registry.DATASETS`).
        split: The split that the figures are of.
        size: Height and width that images are resized to.
        classes: The list of classes, None without segmentation.
        tasks: Names of the tasks.
        metrics: The columns.
        rows: The figures to compare with.
        options: What the data set is opened with beside its classes.
        keyframe_interval: K; 1 for single images.
        offsets: At which distances from the keyframe the annotated frame is evaluated; the
            figures are averaged over them.
        before: Frames that a network sees before the annotated one, where the data set has them.
        frames: How many annotated frames the split has.
        edge_tolerance: Of edges, as a share of the image's diagonal.
        notes: What the paper leaves open, and what differs here.
    """

    name: str
    paper: str
    dataset: str
    split: str
    size: tuple[int, int]
    classes: str | None
    tasks: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    keyframe_interval: int = 1
    offsets: tuple[int, ...] = (0,)
    before: int = 0
    frames: int | None = None
    edge_tolerance: float = 0.0075
    notes: tuple[str, ...] = ()

    def metric(self, key: str) -> Metric:
        """A column by its key."""
        return next(metric for metric in self.metrics if metric.key == key)

    def row(self, model: str) -> Row:
        """A row by its model."""
        return next(row for row in self.rows if row.model == model)


def rows(metrics: tuple[Metric, ...], source: str, figures: Mapping[str, str]) -> tuple[Row, ...]:
    """Rows of a table from their figures, as printed, in the order of the columns; - is none."""
    return tuple(
        Row(
            model,
            {
                metric.key: float(figure)
                for metric, figure in zip(metrics, printed.split(), strict=True)
                if figure != "-"
            },
            source,
        )
        for model, printed in figures.items()
    )
