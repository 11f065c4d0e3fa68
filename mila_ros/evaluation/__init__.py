# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring what a bundle is worth."""
