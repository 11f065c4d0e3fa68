# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The best engine that is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from ..errors import EngineError
from ..networks import Network, State
from ..networks.propagation import Source
from . import openvino_engine
from .base import Engine, log
from .eager import EagerEngine

Result = TypeVar("Result")


class AutoEngine(Engine):
    """OpenVINO on a CPU where it is installed, else eager; eager too when OpenVINO cannot.

    ``name`` is that of the engine in use.
    """

    name = "auto"

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__(network, device)
        self._engine: Engine
        if device.type == "cpu" and openvino_engine.is_there():
            self._use(openvino_engine.OpenVinoEngine(network, device))
        else:
            self._use(EagerEngine(network, device))

    def _use(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name
        self.precisions = engine.precisions

    @property
    def building(self) -> str | None:
        return self._engine.building

    def __call__(
        self,
        image: Tensor,
        state: State | None,
        *,
        keyframe: bool,
        tasks: Collection[str] | None,
        precision: str,
    ) -> tuple[dict[str, Tensor], State]:
        return self._compute(
            lambda engine: engine(image, state, keyframe=keyframe, tasks=tasks, precision=precision)
        )

    def sources(self, image: Tensor, *, precision: str) -> Mapping[str, Source]:
        return self._compute(lambda engine: engine.sources(image, precision=precision))

    def _compute(self, compute: Callable[[Engine], Result]) -> Result:
        try:
            return compute(self._engine)
        except EngineError as error:
            log.warning("%s; the engine is eager from now on", error)
            self._use(EagerEngine(self.network, self.device))
        return compute(self._engine)

    def keep_only(self, precision: str) -> None:
        self._engine.keep_only(precision)
