# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the network's logits to maps at the image's size.

Pixels are areas: all resizing is aligned at the corners of the image, not at the centres of the
corner pixels, as in pre-processing. On a CPU it is OpenCV's, which is several times faster there
than PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..tasks import FAR, Task
from .description import UNLABELLED, Bundle, DepthSpec

HOST = "cpu"
"""The type of device that OpenCV can work for."""

_BAND_ROWS = 32  # of all classes' probabilities that a CPU keeps in its cache


class Postprocessor:
    """Decodes logits by the rules of a bundle.

    Args:
        bundle: Says which tasks there are, the range of depth and the threshold of motion.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._tasks = {task.name: task for task in bundle.tasks}

    def __call__(
        self,
        logits: Mapping[str, Tensor],
        size: tuple[int, int],
        depth_scale: float,
        confidence: bool = True,
    ) -> dict[str, NDArray[np.generic]]:
        """Maps by the names they have in :class:`Frame`.

        Args:
            logits: By task, [1, channels, h, w].
            size: The image's height and width.
            depth_scale: What canonical depth is multiplied by, see :func:`depth_scale`.
            confidence: Whether that of the segmentation is wanted, which takes time.
        """
        maps: dict[str, Tensor] = {}
        for name, values in logits.items():
            task = self._tasks[name]
            if name == "segmentation" and not confidence:
                maps["segmentation"] = decode_classes(values, size)
            elif name == "segmentation":
                maps["segmentation"], maps["confidence"] = decode_segmentation(values, size)
            elif name == "depth" and self._bundle.depth:
                maps["depth"] = decode_depth(task, values, size, self._bundle.depth, depth_scale)
            elif name == "motion" and self._bundle.motion_threshold:
                maps["motion"] = decode_motion(values, size, self._bundle.motion_threshold)
            elif name == "normals":
                maps["normals"] = decode_normals(task, values, size)
            elif name == "human_parts":
                maps["human_parts"] = decode_classes(values, size)
            elif name in ("edges", "saliency"):
                maps[name] = decode_probability(values, size)
        return {name: tensor.cpu().numpy() for name, tensor in maps.items()}


def depth_scale(spec: DepthSpec, width: int, input_width: int, focal_px: float | None) -> float:
    """What the network's canonical depth is to be multiplied by.

    Args:
        spec: The bundle's.
        width: The image's, in pixels.
        input_width: The network input's.
        focal_px: Horizontal focal length of the image in pixels; None takes the assumed field of
            view.

    Returns:
        Focal length at the network's input over the canonical one; 1 for depth without a unit.
    """
    if not spec.metric:
        return 1.0
    if focal_px is None:
        focal_px = width / 2 / math.tan(math.radians(spec.assumed_hfov_deg) / 2)
    return focal_px * input_width / width / spec.canonical_focal_px


def decode_segmentation(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Class ids and confidence, uint8 [H, W], from logits [1, channels, h, w].

    Both are found at the network's resolution and repeated to the image's size. Where the logits
    are no numbers, the pixel is 255 with confidence 0.
    """
    if logits.device.type != HOST:
        ids, best = _winners_on_device(logits[0])
        levels = _rounded((logits[0] - best).exp_().sum(0).reciprocal_())
        return _repeat(ids, size), _repeat(levels, size)
    winners, confidences = [], []
    for band in _bands(logits):
        of_band, best_of_band = _winners(band)
        with np.errstate(invalid="ignore"):  # infinity less infinity
            relative = (band - best_of_band).reshape(len(band), -1)
        # OpenCV's exponential takes half the time of NumPy's and PyTorch's.
        confidences.append(1 / cv2.exp(relative, dst=relative).sum(0).reshape(best_of_band.shape))
        winners.append(of_band)
    levels = _rounded(torch.from_numpy(np.concatenate(confidences)))
    return _repeat(torch.from_numpy(np.concatenate(winners)), size), _repeat(levels, size)


def decode_classes(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The class ids of :func:`decode_segmentation` alone, which takes less time."""
    if logits.device.type != HOST:
        return _repeat(_winners_on_device(logits[0])[0], size)
    ids = np.concatenate([_winners(band)[0] for band in _bands(logits)])
    return _repeat(torch.from_numpy(ids), size)


def _bands(logits: Tensor) -> Iterator[NDArray[np.float32]]:
    """Rows of logits [1, channels, h, w] on a CPU, as [channels, rows, w]."""
    for band in logits[0].split(_BAND_ROWS, dim=1):
        yield _planes(band).numpy()


def _planes(logits: Tensor) -> Tensor:
    """Logits [channels, h, w] on a CPU with each channel's next to one another."""
    channels, height, width = logits.shape
    if logits.stride(2) == 1:
        return logits
    # OpenCV turns them in half the time that PyTorch takes.
    planes = cv2.transpose(logits.permute(1, 2, 0).reshape(-1, channels).numpy())
    return torch.from_numpy(planes).view(channels, height, width)


def _winners(logits: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Class ids and their logits, both [h, w], from logits [channels, h, w].

    Of several that are best the first wins. It is NumPy's work: each step is so short that
    PyTorch would spend more time on waking its threads, and an argmax takes ten times as long.
    """
    channels = len(logits)
    best = logits.max(0)
    places = np.greater_equal(logits, best).view(np.uint8)
    places *= np.arange(channels, 0, -1, dtype=np.uint8)[:, None, None]
    ids = channels - places.max(0)
    ids[~np.isfinite(best)] = UNLABELLED
    return ids, best


def _winners_on_device(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The same on any device."""
    channels = len(logits)
    best = logits.amax(0)
    places = torch.arange(channels, 0, -1, dtype=torch.uint8, device=logits.device)
    ids = channels - ((logits >= best) * places.view(-1, 1, 1)).amax(0)
    return ids.masked_fill_(~best.isfinite(), UNLABELLED), best


def _rounded(probability: Tensor) -> Tensor:
    """0..255, uint8, for 0..1; 0 where it is no number. Its argument may be overwritten."""
    return probability.nan_to_num_(0.0).mul_(255).round_().to(torch.uint8)


def decode_depth(
    task: Task, logits: Tensor, size: tuple[int, int], spec: DepthSpec, scale: float
) -> Tensor:
    """Depth, float32 [H, W], from logits [1, 1, h, w].

    Depth that is learned as a logarithm is also interpolated as one, so that halfway between 1 m
    and 100 m lie 10 m. Beyond the range it is ±inf, and NaN stays NaN. Under a wide lens the range
    ends sooner: the sky was learned as `FAR` times ``max_m`` of the canonical camera, and what is
    nearer to that than to ``max_m`` is taken for it.
    """
    max_m = min(spec.max_m, spec.max_m * math.sqrt(FAR) * scale)
    if task.activation == "exp":
        depth = _interpolate(logits[0, 0] + math.log(scale), size)
        depth = _exp(depth)
    else:
        depth = _interpolate(task.activate(logits)[0, 0] * scale, size)
    # threshold_(x, t, v) puts v where x <= t and leaves NaN: one pass, where a mask takes several.
    below_min = float(np.nextafter(np.float32(spec.min_m), np.float32(-np.inf)))
    above_max = float(np.nextafter(np.float32(max_m), np.float32(np.inf)))
    torch.threshold_(depth, below_min, -math.inf)
    return torch.threshold_(depth.neg_(), -above_max, -math.inf).neg_()


def decode_motion(logits: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
    """0 or 255, uint8 [H, W], from logits [1, 2, h, w] of static and moving."""
    static, moving = _planes(logits[0]) if logits.device.type == HOST else logits[0]
    probability = _interpolate((moving - static).sigmoid_(), size)
    if logits.device.type != HOST:
        return (probability > threshold).to(torch.uint8).mul_(255)
    # Its type stubs do not know that it takes a number.
    mask = cv2.compare(probability.numpy(), threshold, cv2.CMP_GT)  # type: ignore[call-overload]
    return torch.from_numpy(mask)


def decode_probability(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Probability 0..255, uint8 [H, W], from logits [1, 1, h, w]; 0 where they are no numbers."""
    return _rounded(_interpolate(logits[0, 0].sigmoid(), size))


def decode_normals(task: Task, logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Unit vectors, float32 [H, W, 3], from logits [1, 3, h, w]."""
    vectors = torch.stack([_interpolate(axis, size) for axis in task.activate(logits)[0]])
    return task.activate(vectors.unsqueeze(0))[0].permute(1, 2, 0).contiguous()


def _exp(values: Tensor) -> Tensor:
    if values.device.type != HOST:
        return values.exp_()
    array = values.numpy()
    return torch.from_numpy(cv2.exp(array, dst=array))


def _interpolate(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, float32 [h, w] to [H, W]."""
    if values.shape == size:
        return values.contiguous()
    if values.device.type != HOST:
        return F.interpolate(values[None, None], size, mode="bilinear")[0, 0]
    array = values.contiguous().numpy()
    return torch.from_numpy(cv2.resize(array, size[::-1], interpolation=cv2.INTER_LINEAR))


def _repeat(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest neighbour, uint8 [h, w] to [H, W]."""
    if values.shape == size:
        return values.contiguous()
    if values.device.type != HOST:
        return F.interpolate(values[None, None], size, mode="nearest-exact")[0, 0]
    array = values.contiguous().numpy()
    return torch.from_numpy(cv2.resize(array, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
