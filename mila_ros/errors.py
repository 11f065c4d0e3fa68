# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is raised when a user, not a program, has to mend something."""

from __future__ import annotations


class MilaError(Exception):
    """A user's mistake. The message is one sentence: what is wrong, and what to do about it."""


class BundleError(MilaError):
    """A model bundle that does not verify."""


class EngineError(MilaError):
    """An engine that cannot run a network here: not installed, or not able to."""
