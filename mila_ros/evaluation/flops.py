# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What networks cost: multiply-accumulates and parameters.

The papers' rule is that of the thop library of their time: every convolution with its bias, two
per element of a batch norm, and nothing for activations, interpolation or functions such as
attention. Counted on the meta device nothing is computed, so that the largest network takes a
second or two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..networks.correspondence import Correspondence
from ..networks.propagation import (
    LocalAttentionPropagation,
    OpticalFlowPropagation,
    SpatiallyVariantConvolution,
)

Rule = Callable[[Any, tuple[Any, ...], Tensor], int]
Rules = Mapping[type[nn.Module], Rule]


def _products(module: nn.Conv2d | nn.ConvTranspose2d, inputs: tuple[Any, ...], out: Tensor) -> int:
    pixels = inputs[0] if isinstance(module, nn.ConvTranspose2d) else out
    return pixels.numel() * module.weight[0].numel()


def _convolution(
    module: nn.Conv2d | nn.ConvTranspose2d, inputs: tuple[Any, ...], out: Tensor
) -> int:
    return _products(module, inputs, out) + (out.numel() if module.bias is not None else 0)


def _batch_norm(module: nn.BatchNorm2d, inputs: tuple[Any, ...], out: Tensor) -> int:
    return 2 * out.numel()


def _local_attention(
    module: LocalAttentionPropagation, inputs: tuple[Any, ...], out: Tensor
) -> int:
    """Inner products with every key of the window, and the weighted sum of its values."""
    current = inputs[0]
    pixels = out[:, 0].numel()
    neighbours = out[0, 0].numel() if isinstance(module.window, str) else module.window**2
    return pixels * neighbours * (current.embedding.shape[1] + out.shape[1])


def _variant_convolution(
    module: SpatiallyVariantConvolution, inputs: tuple[Any, ...], out: Tensor
) -> int:
    return out.numel() * module.kernel**2


def _warp(module: OpticalFlowPropagation, inputs: tuple[Any, ...], out: Tensor) -> int:
    return 4 * out.numel()


def _correspondence(module: Correspondence, inputs: tuple[Any, ...], out: Tensor) -> int:
    """Inner products with every patch of the window, and weighted sums of those and of places."""
    patches = inputs[0]
    return patches[:, 0].numel() * module.window**2 * (2 * patches.shape[1] + 2)


def _thop_transposed(module: nn.ConvTranspose2d, inputs: tuple[Any, ...], out: Tensor) -> int:
    """What thop makes of a transposed convolution: as if every output saw the whole kernel.

    With a stride of two that is four times the true cost.
    """
    taps = module.weight[:, 0].numel()
    return out.numel() * (taps + (module.bias is not None))


CONVOLUTIONS: Rules = {nn.Conv2d: _products, nn.ConvTranspose2d: _products}
"""Convolutions without their biases: batch norm and bias fold into them at inference."""

PAPERS: Rules = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _thop_transposed,
    nn.BatchNorm2d: _batch_norm,
}
"""The papers' rule."""

WEIGHTED_SUMS: Rules = {
    LocalAttentionPropagation: _local_attention,
    SpatiallyVariantConvolution: _variant_convolution,
    OpticalFlowPropagation: _warp,
    Correspondence: _correspondence,
}
"""What propagation and the sight of motion cost beside their convolutions."""

EVERYTHING: Rules = {**PAPERS, nn.ConvTranspose2d: _convolution, **WEIGHTED_SUMS}
"""The papers' rule, transposed convolutions at their true cost, and the weighted sums."""


class Counter:
    """Sums the cost of every module that runs below the given ones, in a ``with`` block.

    Args:
        *modules: Where to count.
        rules: What to count.
    """

    def __init__(self, *modules: nn.Module, rules: Mapping[type[nn.Module], Rule] = PAPERS) -> None:
        self.macs = 0
        self._parts = {part for module in modules for part in module.modules()}
        self._rules = rules
        self._hooks: list[RemovableHandle] = []

    @property
    def gmac(self) -> float:
        """Billions of multiply-accumulates so far."""
        return self.macs / 1e9

    def __enter__(self) -> Counter:
        for part in self._parts:
            if type(part) in self._rules:
                self._hooks.append(part.register_forward_hook(self._count))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def _count(self, part: nn.Module, inputs: tuple[Any, ...], out: Tensor) -> None:
        self.macs += self._rules[type(part)](part, inputs, out)


@dataclass(frozen=True)
class Cost:
    """What a network costs per frame.

    Attributes:
        encoder_only_gmac: The papers' rule over what their tables count.
        everything_gmac: The rule :data:`EVERYTHING` over the whole network.
        convolutions_gmac: Convolutions of the whole network alone, without biases.
        parameters: Of the whole network.
    """

    encoder_only_gmac: float
    everything_gmac: float
    convolutions_gmac: float
    parameters: int

    def as_dict(self) -> dict[str, float | int]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def measure(
    network: nn.Module,
    run: Callable[[], object],
    frames: int = 1,
    counted: Iterable[nn.Module] | None = None,
    left_out: Iterable[nn.Module] = (),
    papers: Rules = PAPERS,
) -> Cost:
    """Count one run of a network on the meta device or on real tensors.

    Args:
        network: What to count.
        run: Lets it compute ``frames`` frames.
        frames: By how many to divide.
        counted: The parts that ``encoder_only_gmac`` counts; all when None.
        left_out: The parts among them that it leaves out.
        papers: The rule of ``encoder_only_gmac``.
    """
    whole = Counter(*([network] if counted is None else counted), rules=papers)
    without = Counter(*left_out, rules=papers)
    everything = Counter(network, rules=EVERYTHING)
    convolutions = Counter(network, rules=CONVOLUTIONS)
    with torch.no_grad(), whole, without, everything, convolutions:
        run()
    return Cost(
        (whole.gmac - without.gmac) / frames,
        everything.gmac / frames,
        convolutions.gmac / frames,
        sum(p.numel() for p in network.parameters()),
    )
