# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the pipeline, and torch with it: seconds in which the node is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mila_ros.errors import MilaError
from mila_ros.ros.parameters import Settings
from mila_ros.threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from mila_ros.ros.pipeline import Pipeline


def load_pipeline(settings: Settings, *arguments: Any) -> Pipeline:
    """Load the model. On the worker's thread: torch keeps its threads by the thread that asks.

    Raises:
        MilaError: what `Pipeline` raises, and a package that is not installed.
    """
    let_waiting_threads_sleep()
    try:
        # Here, so that the node is there and can be ended before torch has loaded.
        from mila_ros.ros.pipeline import Pipeline
    except ModuleNotFoundError as error:
        if error.name is None or "." in error.name:
            raise MilaError(f"A package is damaged or too old: {error}") from error
        raise MilaError(f"{error.name} is not installed: `pip install {error.name}`.") from error
    except ImportError as error:  # a library of it that does not load, or a name it does not have
        raise MilaError(f"{error.name or 'A package'} cannot be loaded: {error}") from error
    return Pipeline(settings, *arguments)
