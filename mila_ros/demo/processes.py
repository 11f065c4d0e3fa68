# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes of the demo as child processes in a ROS domain of their own."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mila_ros.errors import MilaError
from mila_ros.paths import profiles_variable, share_directory

# Above 101 the ports of a domain run into those that Linux hands out.
_DOMAINS = range(1, 102)


def ros_environment(log_directory: Path) -> dict[str, str]:
    """The environment of the children: a free domain on this machine alone, large images."""
    environment = dict(os.environ)
    environment["ROS_DOMAIN_ID"] = str(_free_domain())
    environment["ROS_LOG_DIR"] = str(log_directory.resolve() / "ros")
    environment[profiles_variable(environment)] = str(share_directory() / "config/fastdds.xml")
    environment["PYTHONUNBUFFERED"] = "1"
    if environment.get("ROS_DISTRO") == "humble":
        environment["ROS_LOCALHOST_ONLY"] = "1"
    else:
        environment.pop("ROS_LOCALHOST_ONLY", None)
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    package = str(Path(__file__).resolve().parents[2])
    path = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{package}{os.pathsep}{path}" if path else package
    return environment


class Child:
    """A node in a process; what it prints goes to ``NAME.log``.

    Args:
        name: For people, and of the log file.
        module: Run with ``python -m``.
        parameters: ROS parameters.
        remappings: ROS remappings.
        environment: Of the process.
        log_directory: Holds the log file.
        reports: Take the JSON objects that it prints to stdout, one a line, instead.
    """

    def __init__(
        self,
        name: str,
        module: str,
        parameters: Mapping[str, Any],
        remappings: Mapping[str, str],
        environment: Mapping[str, str],
        log_directory: Path,
        *,
        reports: bool = False,
    ) -> None:
        self.name, self.log = name, log_directory / f"{name}.log"
        self.reports: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        arguments = []
        for key, value in parameters.items():
            # JSON is YAML: a quoted text stays a text, even where it reads 0 or true.
            arguments += ["-p", f"{key}:={json.dumps(value)}"]
        for old, new in remappings.items():
            arguments += ["-r", f"{old}:={new}"]
        self.log.unlink(missing_ok=True)
        with self.log.open("ab") as log:  # to append, for the reader of reports does so too
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "--ros-args", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if reports else log,
                stderr=log,
                env=dict(environment),
                # Ctrl-C in the terminal is for the demo, which ends its children in order.
                start_new_session=True,
            )
        if reports:
            threading.Thread(target=self._read, name=f"reports of {name}", daemon=True).start()

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def check(self, *, may_end: bool = False) -> None:
        """Raise a MilaError with the last words of the process, if it has ended and should not.

        With ``may_end`` it may, with status 0.
        """
        status = self.process.poll()
        if status is None or (may_end and status == 0):
            return
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        last = lines[-1].strip() if lines else "without a word"
        raise MilaError(f"the {self.name} ended with status {status}: {last} (see {self.log})")

    def interrupt(self) -> None:
        """Ask the process to end."""
        if self.is_running():
            self.process.send_signal(signal.SIGINT)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                report = json.loads(line)
            except (ValueError, RecursionError):
                report = None
            if isinstance(report, dict):
                self.reports.put(report)
                continue
            # Libraries print to stdout as well, such as Fast DDS its errors.
            with suppress(OSError), self.log.open("ab") as log:
                log.write(line)


def end_all(children: list[Child], timeout_s: float) -> None:
    """Ask all to end, and kill what is still there after the time."""
    end = time.monotonic() + timeout_s
    for child in children:
        child.interrupt()
    for child in children:
        try:
            child.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()


def _free_domain() -> int:
    """A ROS domain that nobody on this machine is in, as far as its first port can tell."""
    for domain in random.SystemRandom().sample(_DOMAINS, len(_DOMAINS)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7400 + 250 * domain))
            except OSError:
                continue
            return domain
    raise MilaError("all 101 ROS domains of this machine are in use")
