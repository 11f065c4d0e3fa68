# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What differs between ROS 2 Humble, Jazzy and Kilted, in one place."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

HAS_MESSAGE_INFO = hasattr(Subscription, "CallbackType")
"""Whether a callback may ask when its message was published; not on Humble."""


def leave_to_owner(node: Node) -> None:
    """Keep the context from destroying the node, which from Kilted on it does at its shutdown.

    It would destroy a node whose constructor has raised, too, and does so under a lock; here
    whoever makes a node destroys it, see `spin`.
    """
    untrack = getattr(node.context, "untrack_node", None)
    if untrack is not None:
        untrack(node)


__all__ = [
    "HAS_MESSAGE_INFO",
    "PublisherEventCallbacks",
    "SubscriptionEventCallbacks",
    "leave_to_owner",
]
