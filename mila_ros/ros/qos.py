# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which QoS the topics have, and sentences for when it does not fit the other side's.

A best-effort subscription matches every publisher, and a reliable publisher every subscription but
those that want what was sent before them (transient local).
Depth 1 because an old frame is worth nothing. Users override any of it with the parameters
``qos_overrides./TOPIC.subscription.reliability`` and their like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions

from mila_ros.errors import MilaError
from mila_ros.ros.distributions import PublisherEventCallbacks, SubscriptionEventCallbacks


def input_qos() -> QoSProfile:
    """Best effort, the newest message."""
    return QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)


def output_qos() -> QoSProfile:
    """Reliable, the newest message."""
    return QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE)


def latched_qos(depth: int = 1) -> QoSProfile:
    """Reliable and kept for subscribers that come later."""
    return QoSProfile(
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )


def overrides() -> QoSOverridingOptions:
    """Offer history, depth, reliability and durability of an endpoint as parameters."""
    return QoSOverridingOptions(
        policy_kinds=(
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        )
    )


@contextmanager
def naming_bad_overrides(node: Node, topic: str) -> Iterator[None]:
    """Turn what rclpy raises for an override that cannot be into a MilaError that names it.

    What the middleware refuses may be an override (a depth of -1) or not, and it does not say.
    """
    try:
        yield
    except (InvalidParameterTypeException, InvalidQosOverridesError, RuntimeError) as error:
        resolved = node.resolve_topic_name(topic)
        names, said = f"qos_overrides.{resolved}.*", " ".join(str(error).split())
        refused = isinstance(error, RuntimeError) and "QoS override" not in str(error)
        raise MilaError(
            f"The middleware cannot set up the topic {resolved} ({said}). If the parameters "
            f"{names} are set, they may ask for too much; they are read when the node starts."
            if refused
            else f"The topic {resolved} cannot be set up with the parameters {names} as they are, "
            f"which are read when the node starts, so restart it with them corrected: {said}"
        ) from error


def subscription_events(node: Node, topic: str) -> SubscriptionEventCallbacks:
    """Warn, in words, when a publisher cannot satisfy the subscription."""
    return SubscriptionEventCallbacks(
        incompatible_qos=_warning(node, topic, "subscription", node.get_publishers_info_by_topic)
    )


def publisher_events(node: Node, topic: str) -> PublisherEventCallbacks:
    """Warn, in words, when a subscription asks for more than the publisher offers."""
    return PublisherEventCallbacks(
        incompatible_qos=_warning(node, topic, "publisher", node.get_subscriptions_info_by_topic)
    )


def describe(profile: QoSProfile) -> str:
    """Return the policies that decide whether two sides match: 'best effort, volatile'."""
    policies = (profile.reliability, profile.durability)
    return ", ".join(policy.name.lower().replace("_", " ") for policy in policies)


def describe_endpoints(endpoints: list[Any]) -> str:
    """Return who is on a topic and with what: '/camera (best effort, volatile)'; 'nobody'."""
    names = [
        f"{info.node_namespace.rstrip('/')}/{info.node_name} ({describe(info.qos_profile)}, "
        f"{info.topic_type})"
        for info in endpoints
    ]
    return " and ".join(names) or "nobody"


def _warning(
    node: Node, topic: str, side: str, endpoints: Callable[[str], list[Any]]
) -> Callable[[Any], None]:
    other = "publisher" if side == "subscription" else "subscriber"

    def warn(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        resolved = node.resolve_topic_name(topic)
        node.get_logger().warning(
            f"A {other} of {resolved} does not match this node's {side} in its {policy}, so "
            f"nothing is exchanged with it; there is {describe_endpoints(endpoints(resolved))}. "
            f"Let the two agree, here with the parameters qos_overrides.{resolved}.{side}.*."
        )

    return warn
