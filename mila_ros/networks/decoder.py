# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA's decoders: per branch a gate, propagation and fusion, then one head per task.

A *branch* is the part of the decoder that tasks may or may not share: with task-specific
attention every task has its own; without it ("MILA w/o TS") one branch serves all tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tasks import Task
from .correspondence import Correspondence
from .fusion import build_fusion
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


class Detail(nn.Module):
    """Fine structure of the current frame, which passes the encoders by.

    Two strides of 2 and a 3×3. A pole two pixels wide is lost at an output stride of 8; here it
    is not, at a small share of the encoders' cost. Not in the paper; DeepLabv3+ feeds its decoder
    the same kind of features (Chen et al., ECCV 2018), there from inside the encoder, of which
    MILA has two.

    Args:
        channels: Channels of the result; even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            conv_bn_relu(3, channels // 2, 3, stride=2),
            conv_bn_relu(channels // 2, channels, 3, stride=2),
            conv_bn_relu(channels, channels, 3),
        )

    def forward(self, image: Tensor) -> Tensor:
        """[B, channels, ~H/4, ~W/4] of image [B, 3, H, W]."""
        return self.layers(image)


class Head(nn.Module):
    """The end of a task's decoder: 1×1, and 1×1 to the logits; in between, fine detail joins.

    Args:
        wide, narrow: Inputs, and channels in between.
        detail: Channels of the detail that joins at its own, finer resolution; 0 for none, which
            is the paper's decoder.
        outputs: Channels of the logits.
    """

    def __init__(self, wide: int, narrow: int, detail: int, outputs: int) -> None:
        super().__init__()
        self.reduce = conv_bn_relu(wide, narrow, 1)
        self.refine = conv_bn_relu(narrow + detail, narrow, 3) if detail else None
        self.predict = nn.Conv2d(narrow, outputs, 1)

    def forward(self, fused: Tensor, detail: Tensor | None) -> Tensor:
        """Logits [B, outputs, h, w], at the size of ``detail`` where there is one."""
        x = self.reduce(fused)
        if self.refine is not None and detail is not None:
            x = F.interpolate(x, detail.shape[2:], mode="bilinear", align_corners=False)
            x = self.refine(torch.cat([x, detail], dim=1))
        return self.predict(x)


class Branch(nn.Module):
    """SE ▶ propagation ▶ fusion into a 3×3 ▶ a head per task.

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
        detail: Channels of the :class:`Detail` that joins in the heads, 0 for none.
        correspondence: Channels of the :class:`Correspondence` with each of those frames, which
            joins what was received from them; 0 for none, which is the paper's.
        fusion: How frames are joined, see :mod:`.fusion`; by concatenation in the paper.
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
        detail: int = 0,
        correspondence: int = 0,
        fusion: str = "concat",
    ) -> None:
        super().__init__()
        wide, narrow = decoder_channels
        self.se = SqueezeExcitation(channels, se_reduction)
        self.propagation = propagation
        self.correspondence = Correspondence(correspondence) if correspondence else None
        self.merge_key, merged_key = build_fusion(fusion, channels, key_sources)
        self.merge_nonkey, merged_nonkey = build_fusion(fusion, channels, nonkey_sources)
        self.fuse_key = conv_bn_relu(merged_key + correspondence * key_sources, wide, 3)
        self.fuse_nonkey = conv_bn_relu(merged_nonkey + correspondence * nonkey_sources, wide, 3)
        self.heads = nn.ModuleDict(
            {task.name: Head(wide, narrow, detail, task.channels) for task in tasks}
        )

    def source(self, features: Tensor, image: Tensor | None = None) -> Source:
        """This branch's view of a frame's encoder features, kept for the frames to come.

        Raises:
            ValueError: When the image is needed and not given.
        """
        value = self.se(features)
        embedding = value if self.propagation is None else self.propagation.embed(value, image)
        if self.correspondence is None:
            return Source(value, embedding)
        if image is None:
            raise ValueError("motion is seen in images: give the frame's image")
        return Source(value, embedding, self.correspondence.patches(image))

    def receive(self, current: Source, sources: Sequence[Source]) -> list[Tensor]:
        """What each source propagates to the current frame, [B, channels, h, w] each."""
        if self.propagation is None:
            return []
        return [self.propagation(current, source) for source in sources]

    def compare(self, current: Source, sources: Sequence[Source]) -> list[Tensor]:
        """What correspondence with each source shows, where this branch looks at it."""
        if self.correspondence is None:
            return []
        size = current.value.shape[2:]
        return [self.correspondence(current.patches, source.patches, size) for source in sources]

    def carry(self, current: Source, source: Source, received: Tensor) -> Source:
        """What is kept of a source for the frames after the current one."""
        if self.propagation is None:
            return source
        return self.propagation.carry(current, source, received)

    def fuse(self, current: Source, sources: Sequence[Source], keyframe: bool) -> Tensor:
        """Receive from the sources, compare with them, and join."""
        return self.join(
            current, self.receive(current, sources), self.compare(current, sources), keyframe
        )

    def join(
        self,
        current: Source,
        received: Sequence[Tensor],
        compared: Sequence[Tensor],
        keyframe: bool,
    ) -> Tensor:
        """Current features with what was received and seen: [B, decoder_channels[0], h, w]."""
        merge = self.merge_key if keyframe else self.merge_nonkey
        fuse = self.fuse_key if keyframe else self.fuse_nonkey
        merged = merge([current.value, *received])
        return fuse(torch.cat([merged, *compared], dim=1) if compared else merged)
