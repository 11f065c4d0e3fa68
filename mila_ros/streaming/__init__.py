# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network over a video: state per camera, keyframe scheduling, model bundles, full-size maps.

Needs torch, numpy, OpenCV and safetensors; no ROS.
"""

from .adaptive import Adaptive
from .bundle import load_bundle, read_bundle, save_bundle, verify_bundle
from .continuity import ResetCause
from .description import Bundle, DepthSpec, InputSpec, Label
from .frame import FailedFrame, Frame, FrameRequest
from .keyframes import EveryN, KeyframePolicy, OnRequest, Period
from .perception import Perception

__all__ = [
    "Adaptive",
    "Bundle",
    "DepthSpec",
    "EveryN",
    "FailedFrame",
    "Frame",
    "FrameRequest",
    "InputSpec",
    "KeyframePolicy",
    "Label",
    "OnRequest",
    "Perception",
    "Period",
    "ResetCause",
    "load_bundle",
    "read_bundle",
    "save_bundle",
    "verify_bundle",
]
