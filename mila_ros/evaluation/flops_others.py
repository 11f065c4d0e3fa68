# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cost tables of MultiNet++, MTI-Net and ASTMT, recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from ..networks import build_network
from ..tasks import DEPTH, EDGES, HUMAN_PARTS, MOTION, NORMALS, SALIENCY, SEGMENTATION, Task
from .flops import measure
from .flops_rows import Report, Row, recompute


def mti_net() -> Report:
    """MTI-Net's Table 7 (a), NYUD-v2 at 480×640; 7 (b), PASCAL at 512×512, ends in ``_pascal``.

    The paper counts whole networks: compare with ``everything_gmac``.
    """
    nyud = (SEGMENTATION.with_channels(40), DEPTH)
    pascal = (SEGMENTATION.with_channels(21), HUMAN_PARTS, SALIENCY, EDGES, NORMALS)
    hrnet: dict[str, Any] = {"encoder": "hrnet18_small"}
    fpn: dict[str, Any] = {"encoder": "fpn_resnet50"}
    released = "the authors' program has 8.578 M parameters and 17.1 GMAC, lighter than the paper's"
    auxiliary = {"auxiliary": ("edges", "normals")}
    widths = {"backbone": "fpn_resnet50", "task_channels": (64, 96, 128, 192)}
    unstated = (
        "the width of the tasks' features on a feature pyramid is not stated: the pyramid's own "
        "256 would cost 983 GMAC and 221 M parameters; these widths are ours"
    )
    table: list[tuple[str, Row, float | None, Sequence[Task], tuple[int, int]]] = [
        ("single_task", Row("single_task", 22.0, hrnet), 8.0e6, nyud, (480, 640)),
        ("multi_task", Row("multi_task", 12.1, hrnet), 4.0e6, nyud, (480, 640)),
        ("pad_net", Row("pad_net", 66.9), 6.8e6, nyud, (480, 640)),
        ("mti_net", Row("mti_net", 19.1, note=released), 12.6e6, nyud, (480, 640)),
        (
            "mti_net_edges_normals",
            Row("mti_net", None, auxiliary, note="the authors' program: 14.838 M, 22.9 GMAC"),
            None,
            nyud,
            (480, 640),
        ),
        ("single_task_pascal", Row("single_task", 219, fpn), 140e6, pascal, (512, 512)),
        ("multi_task_pascal", Row("multi_task", 74.5, fpn), 35e6, pascal, (512, 512)),
        ("mti_net_pascal", Row("mti_net", 175.4, widths, note=unstated), 91e6, pascal, (512, 512)),
    ]
    report = {}
    for name, row, parameters, tasks, size in table:
        cells = recompute(row, tasks, size, encoder_alone=True)
        report[name] = {"paper": cells.pop("paper"), "paper_parameters": parameters, **cells}
    return report


def astmt() -> Report:
    """ASTMT on PASCAL, five tasks at 512×512; GMACs are per task, as it runs once for each.

    The paper draws its costs in Figure 5 without numbers: ``paper`` is what the authors' program
    measures, to be compared with ``convolutions_gmac``.
    """
    tasks = (SEGMENTATION.with_channels(21), HUMAN_PARTS, SALIENCY, EDGES, NORMALS)
    note = "the parameters to compare with include the discriminator, which only training uses"
    table: dict[str, tuple[float, float, dict[str, Any]]] = {
        "se_resnet26_se_ra": (25.94, 31.279e6, {}),
        "se_resnet26_se": (24.25, 25.01e6, {"adapters": False}),
        "se_resnet26_se_decoder": (24.25, 19.29e6, {"adapters": False, "modulated": "decoder"}),
        "se_resnet26": (24.25, 19.26e6, {"adapters": False, "modulated": "none"}),
        "se_resnet50_se_ra": (39.23, 49.39e6, {"encoder": "se_resnet50"}),
        "se_resnet101_se_ra": (59.77, 85.39e6, {"encoder": "se_resnet101"}),
    }
    report = {}
    for name, (paper, parameters, arguments) in table.items():
        with torch.device("meta"):
            network = build_network("astmt", tasks, **arguments).eval()
            image = torch.empty(1, 3, 512, 512)

            def run(network: nn.Module = network, image: torch.Tensor = image) -> None:
                network(image, tasks=["segmentation"])

            cost = measure(network, run, counted=[cast(nn.Module, network.encoder)])
        report[name] = {
            "paper": paper,
            "paper_parameters": parameters,
            **cost.as_dict(),
            "parameters_with_discriminator": cost.parameters + (64 + 1) * (64 + len(tasks)),
            "note": note,
        }
    return report


# MultiNet++'s Table 2, decoders: task, classes and frames to what it prints.
_DECODERS = {
    ("segmentation", 20, 1): "0.18M",
    ("segmentation", 20, 2): "0.26M",
    ("segmentation", 13, 1): "95.34K",
    ("segmentation", 13, 2): "0.14M",
    ("depth", 1, 1): "3.88K",
    ("depth", 1, 2): "7.46K",
    ("motion", 2, 1): "8.33K",
    ("motion", 2, 2): "15.50K",
}


def multinet() -> Report:
    """MultiNet++'s Table 2: parameters, at 224×384; ``paper`` is the total in millions."""
    segmentation, synthia = SEGMENTATION.with_channels(20), SEGMENTATION.with_channels(13)
    table: list[tuple[str, Sequence[Task], int, float, str]] = [
        ("segmentation", [segmentation], 1, 23.77, ""),
        ("depth", [DEPTH], 1, 23.59, ""),
        ("motion", [MOTION], 1, 23.60, ""),
        (
            "segmentation_depth",
            [segmentation, DEPTH],
            1,
            23.77,
            "the sum is 23.779; this total is cut off, that of one frame with motion is rounded",
        ),
        (
            "segmentation_depth",
            [segmentation, DEPTH],
            2,
            23.86,
            "the sum is 23.854: the printed total is too large by 0.01",
        ),
        ("segmentation_motion", [segmentation, MOTION], 1, 23.78, ""),
        ("segmentation_motion", [segmentation, MOTION], 2, 23.86, ""),
        ("segmentation_depth_motion", [segmentation, DEPTH, MOTION], 1, 23.79, ""),
        ("segmentation_depth_motion", [segmentation, DEPTH, MOTION], 2, 23.87, ""),
        (
            "synthia_segmentation",
            [synthia],
            1,
            23.68,
            "its decoder is printed as 0.14M, that of two frames; the total is that of one",
        ),
        (
            "synthia_depth",
            [DEPTH],
            1,
            23.59,
            "its decoder is printed as 3.87K here and as 3.88K everywhere else",
        ),
        ("synthia_segmentation_depth", [synthia, DEPTH], 1, 23.69, ""),
        ("synthia_segmentation_depth", [synthia, DEPTH], 2, 23.74, ""),
    ]
    report = {}
    for name, tasks, frames, total, note in table:
        arguments = {"frames": frames}
        row = Row("multinet", total, arguments, note=note)
        cells = recompute(row, tasks, (224, 384), encoder_alone=True)
        with torch.device("meta"):
            network = build_network("multinet", tasks, **arguments)
        decoders = cast(nn.ModuleDict, network.decoders)
        encoder = keras_parameters(cast(nn.Module, network.encoder))
        sizes = {
            task.name: {
                "paper": _DECODERS[task.name, task.channels, frames],
                "parameters": _parameters(decoders[task.name]),
            }
            for task in tasks
        }
        report[f"{name}_{frames}_frame{'s' * (frames > 1)}"] = {
            **cells,
            "parameters": encoder + _parameters(decoders),
            "encoder": {"paper": "23.58M", "parameters": encoder},
            "decoders": sizes,
        }
    return report


def keras_parameters(encoder: nn.Module) -> int:
    """Parameters of a ResNet as Keras has and counts them.

    There every convolution before a batch norm has a bias, and a batch norm's running mean and
    variance are parameters.
    """
    channels = (m.num_features for m in encoder.modules() if isinstance(m, nn.BatchNorm2d))
    return _parameters(encoder) + 3 * sum(channels)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
