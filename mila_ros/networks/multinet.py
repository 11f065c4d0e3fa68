# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MultiNet++: multi-stream feature aggregation (Chennupati et al., CVPR Workshops 2019).

One encoder sees the current frame; its features and those it gave for the frame before are
concatenated and decoded. The previous frame's features are kept, not computed again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..tasks import Task
from .base import Network, State, at_size, check_source
from .mila import MILA
from .propagation import Source
from .resnet import ResNet

TAPS = ("stride8", "stride16", "stride32")


class FCN8(nn.Module):
    """The FCN-8s decoder (Long et al., CVPR 2015) at the widths of MultiNet++'s Table 2.

    A 1×1 convolution scores each of three maps; a transposed convolution doubles the coarsest,
    which is added to the next, and so on.

    Args:
        channels: Channels of the maps at strides 8, 16 and 32.
        outputs: Channels of the logits.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(c, outputs, 1) for c in channels)
        self.from32 = nn.ConvTranspose2d(outputs, outputs, 4, stride=2, padding=1)
        self.from16 = nn.ConvTranspose2d(outputs, outputs, 4, stride=2, padding=1)
        self.from8 = nn.ConvTranspose2d(outputs, outputs, 16, stride=8, padding=4)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits at least of the image's size from maps at strides 8, 16 and 32."""
        at8, at16, at32 = (score(x) for score, x in zip(self.scores, maps, strict=True))
        at16 = at16 + _crop(self.from32(at32), at16)
        at8 = at8 + _crop(self.from16(at16), at8)
        return self.from8(at8)


def _crop(larger: Tensor, like: Tensor) -> Tensor:
    return larger[:, :, : like.shape[2], : like.shape[3]]


class MultiNet(Network):
    """The network of the paper: ResNet-50, two frames, concatenation, FCN8 decoders.

    Args:
        tasks: What to predict.
        encoder, width: See :class:`ResNet`.
        frames: 2, or 1 for the paper's baselines, which see the current frame alone.
    """

    def __init__(
        self, tasks: Sequence[Task], encoder: str = "resnet50", width: int = 64, frames: int = 2
    ) -> None:
        super().__init__(tasks)
        if frames not in (1, 2):
            raise ValueError(f"MultiNet++ sees 1 or 2 frames, not {frames}")
        self.frames = frames
        self.encoder = ResNet(encoder, output_stride=32, ceil_mode=False, width=width)
        channels = [frames * c for c in self.encoder.stage_channels[1:]]
        self.decoders = nn.ModuleDict(
            {task.name: FCN8(channels, task.channels) for task in self.tasks}
        )

    def forward(
        self,
        image: Tensor,
        state: State | None = None,
        *,
        keyframe: bool = True,
        tasks: Collection[str] | None = None,
    ) -> tuple[dict[str, Tensor], State]:
        """See :meth:`Network.forward`; the first frame of a stream is its own predecessor."""
        wanted = self.wanted(tasks)
        maps = dict(zip(TAPS, self.encoder.stages(image)[1:], strict=True))
        joined = list(maps.values())
        if self.frames == 2:
            joined = [
                torch.cat([now, self._previous(tap, now, state)], dim=1)
                for tap, now in maps.items()
            ]
        height, width = image.shape[2:]
        logits = {name: self.decoders[name](joined)[:, :, :height, :width] for name in wanted}
        kept = {tap: Source(now, now) for tap, now in maps.items()} if self.frames == 2 else {}
        return at_size(logits, image), State(last=kept)

    def _previous(self, tap: str, now: Tensor, state: State | None) -> Tensor:
        if state is None or tap not in state.last:
            return now
        check_source(state.last[tap], now)
        return state.last[tap].value


def multinet(tasks: Sequence[Task], slow_fast: bool = False, **arguments: Any) -> Network:
    """MultiNet++, or what MILA's tables compare with under that name.

    Args:
        tasks: What to predict.
        slow_fast: MILA's own slow-fast network in which the last keyframe's features are
            concatenated as they lie. MILA's supplement A says that neighbouring frames are; that
            it is the keyframe is what the costs in its Table 3 say.
        **arguments: Of :class:`MultiNet`; with ``slow_fast`` those of :class:`MILA`.
    """
    if not slow_fast:
        return MultiNet(tasks, **arguments)
    return MILA(tasks, propagation="concat", task_specific=False, multi_frame=False, **arguments)
