# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From parameters to the policy that says which frames are keyframes."""

from __future__ import annotations

from mila_ros.ros.parameters import Settings
from mila_ros.streaming import Adaptive, EveryN, KeyframePolicy, OnRequest


def keyframe_policy(settings: Settings) -> KeyframePolicy:
    """Return the policy that the parameters ask for; the node's timer drives the one on request."""
    max_age_s = settings.keyframe_max_age_s
    if settings.keyframe_policy == "every":
        return EveryN(settings.keyframe_every, max_age_s)
    if settings.keyframe_policy == "adaptive":
        return Adaptive(settings.keyframe_evidence, max_age_s)
    return OnRequest(max_age_s)


def policy_settings(settings: Settings) -> tuple[object, ...]:
    """Return all that `keyframe_policy` and the node's timer depend on."""
    return (
        settings.keyframe_policy,
        settings.keyframe_period_s,
        settings.keyframe_every,
        settings.keyframe_evidence,
        settings.keyframe_max_age_s,
    )
