# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C++ operator of local attention, compiled beside the frames when the node is active."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable

from mila_ros.networks import Network
from mila_ros.networks.local_attention import local_attention_in_use, prepare_local_attention
from mila_ros.networks.local_attention.backends import ENVIRONMENT_VARIABLE, LARGEST_WINDOW
from mila_ros.networks.propagation import LocalAttentionPropagation
from mila_ros.streaming import Perception

LOWEST_PRIORITY = 19


def prepare_attention(perception: Perception, say: Callable[[str], None]) -> None:
    """Start the compiler, at the lowest priority, where frames will be faster for it.

    No frame waits: the operator is taken from the first frame after it is there. Nothing is done
    where another engine than eager runs the network, whose graphs hold an attention of their own;
    where there is no compiler; or where the environment variable asks for another implementation.

    Args:
        perception: what runs the frames.
        say: takes a sentence, in another thread, once the operator is there.
    """
    if not is_wanted(perception):
        return
    threading.Thread(target=_prepare, args=(say,), name="compile attention", daemon=True).start()


def is_wanted(perception: Perception) -> bool:
    """Return whether the operator is worth compiling, and can be."""
    return (
        perception.device.type == "cpu"
        and perception.engine.name == "eager"
        and os.environ.get(ENVIRONMENT_VARIABLE, "auto") == "auto"
        and _has_local_attention(perception.network)
        and local_attention_in_use("cpu") != "cpp"
        and shutil.which(shlex.split(os.environ.get("CXX", "") or "c++")[0]) is not None
    )


def _has_local_attention(network: Network) -> bool:
    return any(
        isinstance(module, LocalAttentionPropagation)
        and isinstance(module.window, int)
        and module.window <= LARGEST_WINDOW
        for module in network.modules()
    )


def _prepare(say: Callable[[str], None]) -> None:
    if sys.platform == "linux":  # where threads have a niceness each, and children inherit it
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
    if prepare_local_attention("cpu") == "cpp":
        say("Local attention has been compiled for this processor; it is taken from now on.")
