# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public data sets, read from the folders that their authors publish; see docs/datasets.md."""
