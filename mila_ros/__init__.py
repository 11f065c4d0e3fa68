# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation, metric depth and motion for every camera frame, at the price of a light network.

``mila_ros.networks`` is torch alone, ``mila_ros.streaming`` runs a network over a video, and
``mila_ros.ros`` puts that on a robot.
"""

__version__ = "0.1.0"
