# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training in several processes, started by ``torchrun``, on one machine or on many."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from ..errors import MilaError

# The others wait while the first one validates.
_PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: Its number; 0 validates, logs and saves.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Processes:
        """Meet the others that ``torchrun`` started; alone without it."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=_PATIENCE)
        return cls(dist.get_rank(), dist.get_world_size())

    @staticmethod
    def will_be_first() -> bool:
        """Whether :meth:`join` will make this the one of rank 0, of all machines' processes."""
        alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
        return alone or int(os.environ.get("RANK", "0")) == 0

    @staticmethod
    def local_device(device: torch.device) -> torch.device:
        """This process's GPU, where each has its own.

        Raises:
            MilaError: There are fewer GPUs than processes.
        """
        if device.type != "cuda" or "LOCAL_RANK" not in os.environ:
            return device
        number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= gpus:
            raise MilaError(
                f"process {number + 1} of this machine has no GPU, of which there "
                f"{'is 1' if gpus == 1 else f'are {gpus}'}; give --nproc-per-node {gpus} or fewer, "
                "or --device cpu"
            )
        return torch.device("cuda", number)

    def any(self, value: bool) -> bool:
        """Whether it is true for one of the processes."""
        if self.count == 1:
            return value
        flag = torch.tensor(int(value), device=_device())
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag.item())

    def from_first(self, value: Any) -> Any:
        """What the first process has; machines need not share a disk."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def sums(self, values: Mapping[str, list[float]]) -> dict[str, list[float]]:
        """Sums over all processes; they all have the same keys, and lists of the same length."""
        if self.count == 1 or not values:
            return dict(values)
        keys = sorted(values)
        table = torch.tensor([values[key] for key in keys], dtype=torch.float64).to(_device())
        dist.all_reduce(table)
        return dict(zip(keys, table.tolist(), strict=True))

    def leave(self) -> None:
        """Be done."""
        if self.count > 1:
            dist.destroy_process_group()


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
