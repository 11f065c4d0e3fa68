# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: the only folder that imports rclpy or a message type."""
