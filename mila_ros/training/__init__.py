# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training. Nothing here is needed to run a trained bundle."""
