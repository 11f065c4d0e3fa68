# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A part of a network as a module from tensors to tensors, which every exporter understands."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..networks import Network
from .parts import ARGUMENTS, Part
from .trees import Tree, leaves, rebuilt


class FlatFunction(nn.Module):
    """``forward(*inputs) -> outputs``: only the tensors that are read, only those that are new.

    Found by one run on the meta device, which computes nothing: which of the arguments' tensors
    take part, and which of the result's are not simply arguments handed on (the keyframe's
    features, on the frames between) or the same tensor twice.

    Args:
        network: On any device; its weights are not copied.
        part: Which of its functions.
        *arguments: Of the part, with tensors of the shapes to come, of any device.

    Attributes:
        part: The same.
        inputs, outputs: Names of what ``forward`` takes and returns: paths into the part's
            arguments and into its result, such as ``image`` or ``state/last/depth/value``.
        input_shapes, output_shapes: Theirs.
        result: The part's result, with meta tensors.
    """

    def __init__(self, network: Network, part: Part, *arguments: Tree) -> None:
        super().__init__()
        trained = dict(_Call(network, part).state_dict(keep_vars=True))
        # A copy of the modules, not of the weights: nobody else may see the meta tensors in them.
        call = _pruned(_Call(network, part), trained)
        self.part = part
        roots = dict(zip(ARGUMENTS[part.kind], arguments, strict=True))
        named = dict(leaves(roots))
        meta = {n: torch.empty(t.shape, dtype=t.dtype, device="meta") for n, t in named.items()}
        self._given = tuple(named)
        self._arguments: Tree = rebuilt(arguments, iter(meta.values()))
        weights = {
            name: torch.empty_like(tensor, device="meta") for name, tensor in trained.items()
        }
        with torch.no_grad(), _Watch([*meta.values(), *weights.values()]) as watch:
            self.result = torch.func.functional_call(call, weights, self._arguments)
        self._read = [number for number, t in enumerate(meta.values()) if id(t) in watch.read]
        self.inputs = tuple(list(meta)[number] for number in self._read)
        self.input_shapes = tuple(tuple(meta[name].shape) for name in self.inputs)
        self._weights = {name for name, tensor in weights.items() if id(tensor) in watch.read}
        self.call = _pruned(call, self._weights)
        self._operations = watch.operations
        given = {id(tensor): number for number, tensor in enumerate(meta.values())}
        new: dict[int, int] = {}
        self._origins: list[tuple[bool, int]] = []  # of the result's tensors: new or given, which
        self._new: list[int] = []  # where in the result each new tensor stands first
        named_result = list(leaves(self.result))
        for place, (_, tensor) in enumerate(named_result):
            if id(tensor) not in given and id(tensor) not in new:
                new[id(tensor)] = len(new)
                self._new.append(place)
            is_new = id(tensor) in new
            self._origins.append((is_new, (new if is_new else given)[id(tensor)]))
        self.outputs = tuple(named_result[place][0] for place in self._new)
        self.output_shapes = tuple(tuple(named_result[place][1].shape) for place in self._new)
        self.eval()

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs for the inputs."""
        every = [tensor for _, tensor in leaves(self._arguments)]
        for number, tensor in zip(self._read, tensors, strict=True):
            every[number] = tensor
        result = [t for _, t in leaves(self.call(*rebuilt(self._arguments, iter(every))))]
        return tuple(result[place] for place in self._new)

    def origins(self) -> dict[str, tuple[bool, str]]:
        """Of each tensor of the result: whether it is an output or an argument, and which."""
        return {
            name: (is_new, self.outputs[number] if is_new else self._given[number])
            for (name, _), (is_new, number) in zip(leaves(self.result), self._origins, strict=True)
        }

    def is_same(self, other: FlatFunction) -> bool:
        """Whether another function of the same network is this one."""
        return (self.part, self.inputs, self.input_shapes, self.outputs) == (
            other.part,
            other.inputs,
            other.input_shapes,
            other.outputs,
        )

    def of(self, network: Network) -> FlatFunction:
        """The same function of another network with the same layers."""
        other = copy.copy(self)
        other._modules = {}
        other.call = _pruned(_Call(network, self.part), self._weights)
        return other

    def pick(self, arguments: Tree) -> list[Tensor]:
        """The inputs out of a part's arguments."""
        every = [tensor for _, tensor in leaves(arguments)]
        return [every[number] for number in self._read]

    def restore(self, arguments: Tree, outputs: Sequence[Tensor]) -> Tree:
        """The part's result out of its arguments and the outputs."""
        every = [tensor for _, tensor in leaves(arguments)]
        return rebuilt(
            self.result,
            iter([outputs[n] if is_new else every[n] for is_new, n in self._origins]),
        )

    def digest(self) -> str:
        """A hash of the graph and of the weights that take part in it."""
        digest = hashlib.sha256(repr((self.input_shapes, self._operations)).encode())
        for name, tensor in sorted(self.call.state_dict().items()):
            tensor = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()


class _Call(nn.Module):
    """A part with its network, as a module."""

    def __init__(self, network: Network, part: Part) -> None:
        super().__init__()
        self.network = network
        self._part = part

    def forward(self, *arguments: Tree) -> Tree:
        return self._part(self.network, *arguments)


def _pruned(module: nn.Module, keep: Collection[str], prefix: str = "") -> nn.Module:
    """The same modules and tensors, less the weights that are not to be kept.

    Exporters take long over weights, whether they are used or not.
    """
    own = copy.copy(module)
    for kind in ("_parameters", "_buffers"):
        tensors = getattr(module, kind).items()
        setattr(own, kind, {n: t if prefix + n in keep else None for n, t in tensors})
    own._modules = {
        name: child if child is None else _pruned(child, keep, f"{prefix}{name}.")
        for name, child in module._modules.items()
    }
    return own


class _Watch(TorchDispatchMode):
    """Writes down every operation on given tensors and on what comes of them, and what is read.

    What is made from nothing, such as index tensors, counts as a constant of its shape: whether it
    is made now or was kept from an earlier run must not matter.

    Args:
        tensors: The given ones, in an order that means something.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.read: set[int] = set()
        self.operations: list[str] = []
        self._alive: list[Tensor] = []  # so that no two tensors share an id
        self._numbers: dict[int, int] = {}
        for tensor in tensors:
            self._number(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        read: set[int] = set()
        words = [self._word(value, read) for value in (*args, *kwargs.items())]
        result = func(*args, **kwargs)
        if read:
            self.read |= read
            for tensor in result if isinstance(result, list | tuple) else [result]:
                if isinstance(tensor, Tensor):
                    self._number(tensor)
            words.append(self._word(result, set()))
            self.operations.append(f"{func}({', '.join(words)})")
        return result

    def _number(self, tensor: Tensor) -> None:
        if id(tensor) not in self._numbers:
            self._numbers[id(tensor)] = len(self._alive)
            self._alive.append(tensor)

    def _word(self, value: Any, read: set[int]) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._word(item, read) for item in value)}]"
        if not isinstance(value, Tensor):
            return repr(value)
        if id(value) in self._numbers:
            read.add(id(value))
            return f"%{self._numbers[id(value)]}{tuple(value.shape)}{value.dtype}"
        return f"constant{tuple(value.shape)}{value.dtype}"
