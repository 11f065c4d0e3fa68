# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA's decoders: per branch a gate, propagation and fusion, then one head per task.

A *branch* is the part of the decoder that tasks may or may not share: with task-specific
attention every task has its own; without it ("MILA w/o TS") one branch serves all tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..tasks import Task
from .layers import SqueezeExcitation, conv_bn_relu
from .propagation import Propagation, Source


def decoder(inputs: int, widths: tuple[int, int], outputs: int) -> nn.Sequential:
    """The decoder of MILA's baselines (section 4.1): 3×3, 1×1 and 1×1 convolutions.

    Args:
        inputs: Channels of the features.
        widths: Channels in between; 512 and 256 in the paper.
        outputs: Channels of the logits.
    """
    wide, narrow = widths
    return nn.Sequential(
        conv_bn_relu(inputs, wide, 3), conv_bn_relu(wide, narrow, 1), nn.Conv2d(narrow, outputs, 1)
    )


class Branch(nn.Module):
    """SE ▶ propagation ▶ fusion by concatenation into a 3×3 ▶ a head per task.

    Key and non-key frames receive from different numbers of frames, so each kind has a fusion
    convolution of its own; the heads are shared.

    Args:
        tasks: The tasks whose heads hang on this branch.
        channels: Channels of the encoders' features.
        decoder_channels: Outputs of the 3×3 and of the 1×1 before the last.
        key_sources: Number of earlier frames that a keyframe receives from.
        nonkey_sources: The same for a non-keyframe.
        propagation: How it receives from them; None when frames are not connected.
        se_reduction: The gate's ratio r.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        channels: int,
        decoder_channels: tuple[int, int],
        key_sources: int,
        nonkey_sources: int,
        propagation: Propagation | None,
        se_reduction: int,
    ) -> None:
        super().__init__()
        wide, narrow = decoder_channels
        self.se = SqueezeExcitation(channels, se_reduction)
        self.propagation = propagation
        self.fuse_key = conv_bn_relu(channels * (1 + key_sources), wide, 3)
        self.fuse_nonkey = conv_bn_relu(channels * (1 + nonkey_sources), wide, 3)
        self.heads = nn.ModuleDict(
            {
                task.name: nn.Sequential(
                    conv_bn_relu(wide, narrow, 1), nn.Conv2d(narrow, task.channels, 1)
                )
                for task in tasks
            }
        )

    def source(self, features: Tensor, image: Tensor | None = None) -> Source:
        """This branch's view of a frame's encoder features, kept for the frames to come.

        Raises:
            ValueError: When propagation needs the image and it is not given.
        """
        value = self.se(features)
        return Source(
            value, value if self.propagation is None else self.propagation.embed(value, image)
        )

    def receive(self, current: Source, sources: Sequence[Source]) -> list[Tensor]:
        """What each source propagates to the current frame, [B, channels, h, w] each."""
        if self.propagation is None:
            return []
        return [self.propagation(current, source) for source in sources]

    def carry(self, current: Source, source: Source, received: Tensor) -> Source:
        """What is kept of a source for the frames after the current one."""
        if self.propagation is None:
            return source
        return self.propagation.carry(current, source, received)

    def join(self, current: Source, received: Sequence[Tensor], keyframe: bool) -> Tensor:
        """Current features with what was received: [B, decoder_channels[0], h, w]."""
        return (self.fuse_key if keyframe else self.fuse_nonkey)(
            torch.cat([current.value, *received], dim=1)
        )

    def fuse(self, current: Source, sources: Sequence[Source], keyframe: bool) -> Tensor:
        """Receive from the sources and join."""
        return self.join(current, self.receive(current, sources), keyframe)
