# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' evaluations: conditions and printed figures, a module for each paper."""
