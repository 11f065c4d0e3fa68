# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from wherever they are kept: folders, clips, videos, cameras and bags. No ROS needed."""
