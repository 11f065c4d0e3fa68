# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``mila demo``: camera, perception and recorder as processes of their own, over DDS."""
