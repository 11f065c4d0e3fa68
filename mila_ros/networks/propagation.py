# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to carry the features of an earlier frame to the current one."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .local_attention import global_attention, inter_frame_local_attention
from .optical_flow import Flow, FlowNetS, halve, warp
from .texture import Texture

GLOBAL = "global"
MAX_WINDOW = 127
"""Side of the largest window; what is asked for beyond it costs more than the whole map."""

PROPAGATIONS = ("ila", "concat", "optical_flow", "svc", "none")


class Source(NamedTuple):
    """What propagation keeps of one frame. Each part is computed once, when the frame is new."""

    value: Tensor  # [B, C, h, w] the squeeze-and-excitation output
    embedding: Tensor  # [B, Ch, h', w'] what the frame is compared by: h(value) for ILA
    patches: Tensor | None = None  # [B, Cp, ~H/4, ~W/4] what motion is seen by; None elsewhere


class Propagation(nn.Module):
    """From a source frame to the current one."""

    def embed(self, value: Tensor, image: Tensor | None = None) -> Tensor:
        """What a frame with features ``value`` [B, C, h, w] is compared by; the features.

        ``image`` is the frame itself, [B, 3, H, W].
        """
        return value

    def forward(self, current: Source, source: Source) -> Tensor:
        """The source's features, [B, C, h, w], placed where the current frame has them."""
        raise NotImplementedError

    def carry(self, current: Source, source: Source, received: Tensor) -> Source:
        """What to keep of ``source`` once the current frame has received from it; all of it."""
        return source


class LocalAttentionPropagation(Propagation):
    """MILA's inter-frame local attention with its one 3×3 convolution h (equation 2).

    Args:
        channels: Channels of the features.
        attention_channels: Channels of h. Table 7's cost at 1024×2048 fits 32 and no other
            power of two.
        window: Side L of the window, odd, or ``"global"`` for the whole map.
        texture: Channels of the :class:`Texture` that is compared beside h; 0, none, is the
            paper's. With it h counts by its direction only, and how sharply attention
            chooses is learnt.
    """

    def __init__(
        self, channels: int, attention_channels: int, window: int | str, texture: int = 0
    ) -> None:
        super().__init__()
        self.window = window
        self.h = nn.Conv2d(channels, attention_channels, 3, padding=1)
        self.texture = Texture(texture) if texture else None
        if texture:  # square roots of what the cosines of h and of texture count in a score
            self.sharpness = nn.Parameter(torch.tensor([10.0, 20.0]).sqrt())

    def embed(self, value: Tensor, image: Tensor | None = None) -> Tensor:
        """What scores are the inner products of: h of features [B, channels, h, w], and texture.

        Returns:
            [B, attention_channels + texture, h, w].

        Raises:
            ValueError: When the image is needed and not given.
        """
        seen: Tensor = self.h(value)
        if self.texture is None:
            return seen
        if image is None:
            raise ValueError("attention compares the texture of images: give the frame's image")
        direction = F.normalize(seen.float(), dim=1)
        of_features, of_texture = self.sharpness
        texture = self.texture(image, seen.shape[2:]) * of_texture
        return torch.cat([direction * of_features, texture], dim=1).to(seen.dtype)

    def forward(self, current: Source, source: Source) -> Tensor:
        if isinstance(self.window, str):
            return global_attention(current.embedding, source.embedding, source.value)
        return inter_frame_local_attention(
            current.embedding, source.embedding, source.value, self.window
        )


class ConcatPropagation(Propagation):
    """No alignment: the source's features as they lie, for concatenation (MultiNet++)."""

    def forward(self, current: Source, source: Source) -> Tensor:
        return source.value


class OpticalFlowPropagation(Propagation):
    """Warping by optical flow, frame by frame (Jain et al., "Accel", CVPR 2019).

    A source that is older than one frame is not warped by one long flow: it moves along with every
    frame, so that flow is always between neighbours. It is trained so too: with a
    ``max_distance`` of 1.

    Args:
        flow: Maps the current and the source frame, both [B, 3, H, W] at half the size of the
            image, to flow [B, 2, h, w]: for each pixel of the current frame how far to the right
            and down it lies in the source frame, in pixels of those half-size frames.
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def embed(self, value: Tensor, image: Tensor | None = None) -> Tensor:
        """The frame at half its size.

        Raises:
            ValueError: Without an image.
        """
        if image is None:
            raise ValueError("optical flow is computed from images: give the frame's image")
        return halve(image)

    def forward(self, current: Source, source: Source) -> Tensor:
        flow = self.flow(current.embedding, source.embedding)
        height, width = current.embedding.shape[2:]
        size = source.value.shape[2:]
        flow = F.interpolate(flow, size, mode="bilinear", align_corners=False)
        # By numbers of Python's: a tensor of them would be sent to the GPU in every frame, which
        # cannot be recorded.
        across, down = flow[:, :1] * (size[1] / width), flow[:, 1:] * (size[0] / height)
        return warp(source.value, torch.cat([across, down], dim=1))

    def carry(self, current: Source, source: Source, received: Tensor) -> Source:
        return source._replace(value=received, embedding=current.embedding)


class SpatiallyVariantConvolution(Propagation):
    """A k×k kernel of its own for every pixel, shared by the channels.

    Li et al., "Low-Latency Video Semantic Segmentation", CVPR 2018. Three 3×3 convolutions on both
    frames' features predict the kernels, as MILA's Table 7 counts them; a softmax makes each
    kernel sum to one, over the neighbours inside the image.

    Args:
        channels: Channels of the features.
        hidden: Channels between the convolutions.
        kernel: Side k, odd; 9 in the paper.
    """

    def __init__(self, channels: int, hidden: int = 256, kernel: int = 9) -> None:
        super().__init__()
        self.kernel = kernel
        self.predictor = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, kernel**2, 3, padding=1),
        )

    def kernels(self, current: Tensor, source: Tensor) -> Tensor:
        """Weights [B, k², h, w], row by row of the kernel, from features [B, channels, h, w]."""
        scores = self.predictor(torch.cat([current, source], dim=1))
        inside = F.pad(torch.ones_like(scores[:1, :1]), [self.kernel // 2] * 4)
        inside = F.unfold(inside, self.kernel).view(1, self.kernel**2, *scores.shape[2:])
        return scores.masked_fill(inside == 0, -torch.inf).softmax(dim=1)

    def forward(self, current: Source, source: Source) -> Tensor:
        weights = self.kernels(current.value, source.value)
        height, width = source.value.shape[2:]
        padded = F.pad(source.value, [self.kernel // 2] * 4)
        result = torch.zeros_like(source.value)
        for n in range(self.kernel**2):
            y, x = divmod(n, self.kernel)
            moved = padded[:, :, y : y + height, x : x + width]
            result = torch.addcmul(result, weights[:, n : n + 1], moved)
        return result


def build_propagation(
    name: str,
    channels: int,
    attention_channels: int,
    window: int | str,
    flow: Flow | None = None,
    texture: int = 0,
) -> Propagation | None:
    """One of :data:`PROPAGATIONS`; ``"none"`` is None: frames are not connected.

    Args:
        name: Which.
        channels: Channels of the features.
        attention_channels, window, texture: See :class:`LocalAttentionPropagation`.
        flow: For ``"optical_flow"``, see :class:`OpticalFlowPropagation`; FlowNet-S when None.

    Raises:
        ValueError: For an unknown name, a window that is neither odd nor ``"global"``, or texture
            for what does not compare.
    """
    if texture and name != "ila":
        raise ValueError(f"only ila compares texture: give no texture channels with {name}")
    is_odd = isinstance(window, int) and 1 <= window <= MAX_WINDOW and window % 2 == 1
    if not (window == GLOBAL or is_odd):
        raise ValueError(
            f"the window must be odd and positive, at most {MAX_WINDOW}, "
            f'or "{GLOBAL}", not {window!r}'
        )
    if name == "ila":
        return LocalAttentionPropagation(channels, attention_channels, window, texture)
    if name == "concat":
        return ConcatPropagation()
    if name == "optical_flow":
        return OpticalFlowPropagation(FlowNetS() if flow is None else flow)
    if name == "svc":
        return SpatiallyVariantConvolution(channels)
    if name == "none":
        return None
    *others, last = PROPAGATIONS
    raise ValueError(f"unknown propagation {name!r}; choose {', '.join(others)} or {last}")
