# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast models run: whole frames, through what the node runs, side by side."""
