# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each task learns from: the losses of the papers, and the choice of one by its name.

Every loss of a task is a mean over the labelled pixels of the whole batch, so that images with
many weigh more than images with few, and zero where nothing is labelled. What a network says and
its labels are of one height and width.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import MilaError
from ..tasks import Task
from .geometry_losses import (
    cosine_normals_loss,
    depth_loss,
    huber_depth_loss,
    inverse_depth_loss,
    l1_normals_loss,
    log_depth_loss,
    smooth_depth_loss,
)
from .reduction import at_least_single, masked_mean

UNLABELLED = 255
UNKNOWN_MOTION = 127

Criterion = Callable[[Tensor, Tensor], Tensor]  # of logits and labels


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor | Sequence[float] | None = None,
    jaccard: float = 0.0,
) -> Tensor:
    """Weighted cross-entropy of logits [B, C, H, W] and class ids [B, H, W], 255 left out.

    The mean is weighted too: it is over the weights of the pixels' true classes. ``jaccard`` is
    the weight of :func:`jaccard_loss`, which is added.
    """
    total = _cross_entropy(logits, labels, class_weights)
    return total + jaccard * jaccard_loss(logits, labels) if jaccard else total


def jaccard_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """One less the soft IoU, averaged over the classes that the batch shows.

    Cross-entropy is a mean over pixels, of which a pole has few; what is measured is a mean over
    classes. The IoU is that of probabilities p and truth y, Σpy / (Σp + Σy - Σpy), over the whole
    batch (Rahman and Wang, "Optimizing Intersection-over-Union in Deep Neural Networks for Image
    Segmentation", ISVC 2016, equations 3 to 5).

    Args:
        logits: [B, C, H, W].
        labels: Class ids [B, H, W], 255 left out.
    """
    probabilities, labels = at_least_single(logits).softmax(1), labels.long()
    labelled = labels != UNLABELLED
    classes = labels.masked_fill(~labelled, 0)
    hit = probabilities.gather(1, classes[:, None])[:, 0] * labelled
    none = probabilities.new_zeros(logits.shape[1])
    both = none.index_add(0, classes.flatten(), hit.flatten())
    true = none.index_add(0, classes.flatten(), labelled.flatten().to(none))
    said = (probabilities * labelled[:, None]).sum((0, 2, 3))
    iou = both / (said + true - both).clamp_min(torch.finfo(none.dtype).eps)
    return masked_mean(1 - iou, true > 0)


def _cross_entropy(
    logits: Tensor, labels: Tensor, class_weights: Tensor | Sequence[float] | None
) -> Tensor:
    logits, labels = at_least_single(logits), labels.long()
    labelled = labels != UNLABELLED
    weights = logits.new_ones(logits.shape[1])
    if class_weights is not None:
        weights = torch.as_tensor(class_weights).to(weights)
    pixels = F.cross_entropy(logits, labels, weights, ignore_index=UNLABELLED, reduction="sum")
    weight = (weights[labels.masked_fill(~labelled, 0)] * labelled).sum()
    return pixels / weight.clamp_min(torch.finfo(weight.dtype).tiny)


def human_parts_loss(logits: Tensor, parts: Tensor) -> Tensor:
    """Cross-entropy over the images that show a person (ASTMT, appendix).

    Args:
        logits: [B, C, H, W], channel 0 the background.
        parts: Ids [B, H, W]: 0 background, 255 void. An image of nothing else shows no person.
    """
    people = ((parts != 0) & (parts != UNLABELLED)).flatten(1).any(1)
    return segmentation_loss(logits, parts.masked_fill(~people[:, None, None], UNLABELLED))


def motion_loss(
    logits: Tensor, motion: Tensor, moving_weight: float = 3.0, jaccard: float = 0.0
) -> Tensor:
    """Cross-entropy of logits [B, 2, H, W] and masks [B, H, W].

    In a mask 0 is static, 255 moving and 127 unknown, which is left out.
    ``moving_weight`` makes up for how few pixels move; with 1 it is MultiNet++'s equation 4.
    ``jaccard`` is the weight of :func:`jaccard_loss`, which is added.
    """
    target = (motion > UNKNOWN_MOTION).long().masked_fill_(motion == UNKNOWN_MOTION, UNLABELLED)
    return segmentation_loss(logits, target, [1.0, moving_weight], jaccard)


def edge_loss(logits: Tensor, edges: Tensor, positive_weight: float = 0.95) -> Tensor:
    """Binary cross-entropy with fixed weights w for edges and 1 − w for the rest.

    0.95 is ASTMT's and MTI-Net's weight of edges.

    Args:
        logits: [B, 1, H, W].
        edges: [B, H, W]; 1 on edges, 0 elsewhere, 255 void.
        positive_weight: w.
    """
    positive, negative, known = _binary_cross_entropies(logits, edges)
    return masked_mean(positive_weight * positive + (1 - positive_weight) * negative, known)


def saliency_loss(logits: Tensor, saliency: Tensor) -> Tensor:
    """Binary cross-entropy balanced image by image (Xie and Tu, HED, equation 2).

    What is salient weighs as much as the share of the image that is not, and the reverse.

    Args:
        logits: [B, 1, H, W].
        saliency: [B, H, W]; 1 salient, 0 not, 255 void.
    """
    positive, negative, known = _binary_cross_entropies(logits, saliency)
    salient = ((saliency == 1) & known).sum((1, 2), keepdim=True)
    beta = 1 - salient / known.sum((1, 2), keepdim=True).clamp_min(1)
    return masked_mean(beta * positive + (1 - beta) * negative, known)


def alignment_loss(slow: Tensor, fast: Tensor) -> Tensor:
    """|Slow(I) − Fast(I)| (MILA, equation 3), which moves the fast encoder only."""
    return (slow.detach() - fast).abs().mean()


@dataclass(frozen=True)
class Loss:
    """A loss that a configuration can name.

    Attributes:
        task: Name of the task that it is for.
        function: Of logits and labels, then its own arguments.
        activation: What the task must have, for the function to take logits as they are; None for
            a function that takes predictions.
    """

    task: str
    function: Callable[..., Tensor]
    activation: str | None


# The first one of a task is what it learns from unless told otherwise.
LOSSES: Mapping[str, Loss] = {
    "cross_entropy": Loss("segmentation", segmentation_loss, "softmax"),
    "log_l1": Loss("depth", log_depth_loss, "exp"),
    "l1": Loss("depth", depth_loss, None),
    "inverse_l1": Loss("depth", inverse_depth_loss, None),
    "huber": Loss("depth", huber_depth_loss, None),
    "smooth_l1": Loss("depth", smooth_depth_loss, None),
    "motion_cross_entropy": Loss("motion", motion_loss, "softmax"),
    "cosine": Loss("normals", cosine_normals_loss, None),
    "unit_l1": Loss("normals", l1_normals_loss, None),
    "edge_cross_entropy": Loss("edges", edge_loss, "sigmoid"),
    "balanced_cross_entropy": Loss("saliency", saliency_loss, "sigmoid"),
    "human_parts_cross_entropy": Loss("human_parts", human_parts_loss, "softmax"),
}


def build_loss(task: Task, name: str | None = None, **arguments: Any) -> Criterion:
    """A task's loss, of its logits [B, C, H, W] and labels.

    Args:
        task: What the logits are of.
        name: One of :data:`LOSSES`; None for the task's usual one.
        arguments: The loss's own, such as ``class_weights`` or ``delta``.

    Raises:
        MilaError: For a loss that is unknown, of another task or of another kind of logits, or an
            argument that it does not take or that is a text, or not one class weight per class.
    """
    fitting = [known for known, loss in LOSSES.items() if loss.task == task.name]
    if not fitting:
        raise MilaError(f"there is no loss for a task {task.name!r}")
    chosen = fitting[0] if name is None else name
    if chosen not in fitting:
        raise MilaError(f"{task.name} has no loss {chosen!r}; choose one of {', '.join(fitting)}")
    loss = LOSSES[chosen]
    if loss.activation not in (None, task.activation):
        raise MilaError(
            f"loss {chosen} is for {loss.activation} logits, and those of {task.name} are "
            f"{task.activation}"
        )
    accepted = list(inspect.signature(loss.function).parameters)[2:]
    if unknown := set(arguments) - set(accepted):
        raise MilaError(
            f"loss {chosen} has no argument {sorted(unknown)[0]!r}; "
            f"it takes {', '.join(accepted) or 'none'}"
        )
    if texts := [key for key, value in arguments.items() if isinstance(value, str)]:
        raise MilaError(
            f"loss {chosen}: {texts[0]} must be a number, not {arguments[texts[0]]!r} "
            "(in YAML, 2.5e+2 is a number and 2.5e2 is a text)"
        )
    _check_class_weights(arguments.get("class_weights"), chosen, task.channels)
    function = partial(loss.function, **arguments)
    if loss.activation is not None:
        return function
    return lambda logits, labels: function(task.activate(at_least_single(logits)), labels)


def _check_class_weights(weights: Any, loss: str, classes: int) -> None:
    """Refuse what is neither None nor a number per class; the first batch may be minutes away."""
    if weights is None:
        return
    try:
        shape = tuple(torch.as_tensor(weights).shape)
    except (TypeError, ValueError, RuntimeError):  # words, or lists of several lengths
        shape = ()
    if shape != (classes,):
        given = f", not of {shape[0]}" if len(shape) == 1 else ""
        raise MilaError(
            f"loss {loss}: class_weights must be a list of {classes} numbers, one per class{given}"
        )


def _binary_cross_entropies(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """−y log σ(x), −(1 − y) log(1 − σ(x)) and where y is known, each [B, H, W]."""
    x, known = at_least_single(logits[:, 0]), labels != UNLABELLED
    y = labels.masked_fill(~known, 0).to(x.dtype)
    return -y * F.logsigmoid(x), -(1 - y) * F.logsigmoid(-x), known
