# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MILA: multi-task learning from videos via efficient inter-frame local attention (ICCVW 2021).

A *slow* encoder sees the keyframes and a *fast* one the frames between. Per task, features of the
last keyframe and of the last non-keyframe are carried to the current frame and fused with its own
(section 3.1). Where the paper is silent, the defaults are those under which its GFLOPs tables
come out; each is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from ..tasks import MOTION, Task
from .base import Network, State, at_size, check_source
from .decoder import Branch, Detail
from .encoders import build_encoder
from .layers import conv_bn_relu
from .optical_flow import Flow
from .propagation import Source, build_propagation

SHARED = "shared"


class MILA(Network):
    """The slow-fast multi-task network.

    Args:
        tasks: What to predict.
        slow, fast: Encoders of keyframes and of the frames between, see :func:`build_encoder`.
        slow_width, fast_width: Stem widths of ResNets; 64 is the paper's.
        output_stride: Of both encoders.
        ceil_mode: Of both encoders' max-pool. With it maps are a cell longer than their share of
            the image, 33×65 for 256×512, and resized as if they were not: a feature then lies up
            to half a cell off, at the picture's edges, and not at all in its middle.
        channels: Width of the space in which both encoders' features live (a 1×1 neck on each):
            what is aligned in training, gated, and propagated.
        decoder_channels: Widths inside a decoder, see :class:`Branch`.
        attention_channels: Width of ILA's h.
        window: ILA's window L: odd, or ``"global"`` (Table 4).
        propagation: ``"ila"``, ``"concat"`` or ``"none"`` (Table 3), ``"optical_flow"``
            (Table 5) or ``"svc"`` (Table 6).
        task_specific: One branch per task; False is "w/o TS", one branch for all (Tables 1, 2).
        multi_frame: Propagate from the last non-keyframe too, and into keyframes; False together
            with ``task_specific=False`` is "w/o MF&TS".
        slow_only: No fast encoder; every frame is a keyframe (supplement, Table C).
        se_reduction: Ratio r of the SE gates.
        detail_channels: Of :class:`Detail`, which lets the decoders see a quarter of the image's
            resolution; 0, none, is the paper's.
        correspondence_channels: Of the :class:`Correspondence` by which the branch of the motion
            mask sees what moved; 0, none, is the paper's, which has no such task.
        texture_channels: Of the :class:`Texture` that ILA compares frames by beside h; 0, none,
            is the paper's.
        fusion: How a branch joins frames: ``"concat"``, the paper's, or ``"add"`` or ``"gate"``,
            whose 3×3 is no wider than for one frame; see :mod:`.fusion`.
        flow: For optical flow, any callable as :class:`OpticalFlowPropagation` describes;
            FlowNet-S when None.

    Raises:
        ValueError: For arguments that do not fit together, in one sentence.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        slow: str = "resnet101",
        fast: str = "resnet18",
        slow_width: int = 64,
        fast_width: int = 64,
        output_stride: int = 8,
        ceil_mode: bool = True,
        channels: int = 512,
        decoder_channels: tuple[int, int] = (512, 256),
        attention_channels: int = 32,
        window: int | str = 5,
        propagation: str = "ila",
        task_specific: bool = True,
        multi_frame: bool = True,
        slow_only: bool = False,
        se_reduction: int = 16,
        detail_channels: int = 0,
        correspondence_channels: int = 0,
        texture_channels: int = 0,
        fusion: str = "concat",
        flow: Flow | None = None,
    ) -> None:
        super().__init__(tasks)
        self.multi_frame = multi_frame
        self.slow_only = slow_only
        self.channels = channels
        self.slow = build_encoder(slow, output_stride, ceil_mode, slow_width)
        self.slow_neck = conv_bn_relu(self.slow.channels, channels, 1)
        if not slow_only:
            self.fast = build_encoder(fast, output_stride, ceil_mode, fast_width)
            self.fast_neck = conv_bn_relu(self.fast.channels, channels, 1)
        self.detail = Detail(detail_channels) if detail_channels else None
        wide, narrow = decoder_channels
        connected = propagation != "none"
        groups = {task.name: [task] for task in self.tasks}
        if not task_specific:
            groups = {SHARED: list(self.tasks)}
        if propagation == "optical_flow" and len(groups) > 1:
            raise ValueError(
                "optical flow is the same for every task: give task_specific=False with it"
            )
        self.branches = nn.ModuleDict(
            {
                name: Branch(
                    group,
                    channels,
                    (wide, narrow),
                    key_sources=int(connected and multi_frame),
                    nonkey_sources=connected * (1 + multi_frame),
                    propagation=build_propagation(
                        propagation, channels, attention_channels, window, flow, texture_channels
                    ),
                    se_reduction=se_reduction,
                    detail=detail_channels,
                    correspondence=correspondence_channels * (connected and MOTION in group),
                    fusion=fusion,
                )
                for name, group in groups.items()
            }
        )

    def encode(self, image: Tensor, keyframe: bool) -> Tensor:
        """Slow(I) or Fast(I): image [B, 3, H, W] to features [B, channels, ~H/8, ~W/8].

        Raises:
            ValueError: When a non-keyframe is asked of a slow-only network.
        """
        if keyframe:
            return self.slow_neck(self.slow(image))
        if self.slow_only:
            raise ValueError("a slow-only network has no fast encoder: every frame is a keyframe")
        return self.fast_neck(self.fast(image))

    def decode(
        self,
        features: Tensor,
        state: State,
        keyframe: bool,
        tasks: Collection[str] | None = None,
        image: Tensor | None = None,
        detail: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], State]:
        """Logits [B, task.channels, h, w] at the decoders' resolution, and the next state.

        ``image`` is only needed by optical flow and for detail; ``detail`` is computed from it
        when it is not given.

        Raises:
            ValueError: For an unknown task, a state made at another batch or image size, or an
                image that is needed and not given.
        """
        wanted = self.wanted(tasks)
        if self.detail is not None and detail is None:
            if image is None:
                raise ValueError(
                    "this network's decoders take their detail from the image: give it"
                )
            detail = self.detail(image)
        logits: dict[str, Tensor] = {}
        frame: dict[str, Source] = {}
        outliving: dict[str, Source] = {}  # what stays in the state beside this frame
        older = state.last if keyframe else state.key
        for name, branch in cast("Mapping[str, Branch]", self.branches).items():
            heads = [task for task in branch.heads if task in wanted]
            if not heads:
                continue
            current = frame[name] = branch.source(features, image)
            sources = self._sources(name, current, state, keyframe)
            received = branch.receive(current, sources)
            compared = branch.compare(current, sources)
            fused = branch.join(current, received, compared, keyframe)
            logits |= {task: branch.heads[task](fused, detail) for task in heads}
            if name in older:
                outliving[name] = older[name]
                if received:
                    outliving[name] = branch.carry(current, older[name], received[0])
        if keyframe:
            return logits, State(key=frame, last=frame if self.slow_only else outliving)
        return logits, State(key=outliving, last=frame)

    def forward(
        self,
        image: Tensor,
        state: State | None = None,
        *,
        keyframe: bool = True,
        tasks: Collection[str] | None = None,
    ) -> tuple[dict[str, Tensor], State]:
        """See :meth:`Network.forward`; a keyframe runs the slow encoder instead of the fast one."""
        features = self.encode(image, keyframe)
        logits, state = self.decode(features, state or State(), keyframe, tasks, image)
        return at_size(logits, image), state

    def _sources(self, branch: str, current: Source, state: State, keyframe: bool) -> list[Source]:
        """The frames to receive from; those that a young stream lacks are the frame itself.

        Where all frames are keyframes, motion is still seen: against the keyframe before.
        """
        sources = []
        if not keyframe:
            sources.append(state.key.get(branch, current))
        if self.multi_frame:
            lacking = current
            if keyframe and branch in state.key:
                lacking = current._replace(patches=state.key[branch].patches)
            sources.append(state.last.get(branch, lacking))
        for source in sources:
            check_source(source, current.value)
        return sources
