# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node whose transitions fail in words, and never by ending the process."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from mila_ros.errors import MilaError
from mila_ros.ros.distributions import leave_to_owner


class ManagedNode(LifecycleNode, ABC):
    """Four methods instead of callbacks that return codes.

    A ``MilaError`` in one of them is logged as one line and makes the transition a FAILURE, to be
    tried again once mended. Anything else is logged with its traceback, makes it an ERROR, and
    leads through `release` back to unconfigured.

    Attributes:
        problem: why the last transition failed, None if it did not.
    """

    def __init__(self, name: str, **node_arguments: Any) -> None:
        super().__init__(name, **node_arguments)
        leave_to_owner(self)
        self.problem: str | None = None
        self._guard_change_state()

    @abstractmethod
    def configure(self) -> None:
        """Load and create what the node needs."""

    @abstractmethod
    def activate(self) -> None:
        """Begin to work; the lifecycle publishers are enabled."""

    @abstractmethod
    def deactivate(self) -> None:
        """Stop working; the lifecycle publishers are disabled afterwards."""

    @abstractmethod
    def release(self) -> None:
        """Free everything, whatever there is."""

    def bring_up(self) -> None:
        """Configure and activate, or say how to go on where that fails."""
        left = ["configure", "activate"]
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                break
            left.pop(0)
        if left:
            name = self.get_fully_qualified_name()
            commands = " and ".join(f"`ros2 lifecycle set {name} {step}`" for step in left)
            self.get_logger().info(
                f"Once that is mended, with `ros2 param set {name} ...` or, after a restart, in "
                f"the file, go on with {commands}."
            )

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `configure`."""
        return self._transition("configure", self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `activate`."""
        super().on_activate(state)
        result = self._transition("activate", self.activate)
        if result != TransitionCallbackReturn.SUCCESS:
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `deactivate`."""
        result = self._transition("deactivate", self.deactivate)
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `release`."""
        return self._transition("clean up", self.release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `release`."""
        return self._transition("shut down", self.release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See `release`; the node is unconfigured afterwards."""
        problem = self.problem
        result = self._transition("recover", self.release)
        self.problem = self.problem or problem
        return result

    def _transition(self, name: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        self.problem = None
        try:
            action()
        except MilaError as error:
            self.problem = f"cannot {name}: {error}"
            self.get_logger().error(f"Cannot {name}: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would make an ERROR of it and drop what it was
            self.problem = f"cannot {name}: {type(error).__name__}: {error}"
            self.get_logger().error(f"Cannot {name}:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _guard_change_state(self) -> None:
        """Answer a transition that the state does not have with success = False.

        Up to and including Jazzy rclpy raises there (ros2/rclpy#1209), through the executor, so
        that ``ros2 lifecycle set`` given twice ends the process.
        """
        service = self._service_change_state
        change_state = service.callback

        def change_state_or_refuse(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except RuntimeError as error:  # RCLError is one, and is not exported
                self.get_logger().warning(f"Transition refused: {error}")
                response.success = False
                return response

        service.callback = change_state_or_refuse
