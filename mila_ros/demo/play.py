# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run of the demo: the three nodes, and what is waited for between them."""

from __future__ import annotations

import argparse
import math
import queue
import time
from pathlib import Path
from typing import Any

from mila_ros.data.frames import FrameSource, SourceError
from mila_ros.demo.processes import Child, end_all, ros_environment
from mila_ros.demo.results import StatusLine, status_text
from mila_ros.errors import MilaError

START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 20.0
END_TIMEOUT_S = 8.0


class Demo:
    """The three nodes of a run, started in the order in which they need each other."""

    def __init__(
        self, arguments: argparse.Namespace, spec: str, source: FrameSource, model: Path
    ) -> None:
        self._arguments, self._spec, self._source, self._model = arguments, spec, source, model
        self._log_directory = arguments.out / "log"
        self._environment = ros_environment(self._log_directory)
        self.children: list[Child] = []
        self.line = StatusLine()

    def play(self) -> None:
        """Play the source to its end and wait until every frame has its answer or its cause.

        Raises:
            MilaError: A node failed, or the model did not load in time.
        """
        domain = self._environment["ROS_DOMAIN_ID"]
        print(f"{self._source.name}\nmodel {self._model}, ROS_DOMAIN_ID={domain}")
        if self._source.note and not self._arguments.rate:
            print(self._source.note)
        recorder = self._start_recorder()
        self._start_perception()
        self._wait_until_ready(recorder)
        camera = self._start_camera()
        self._follow(recorder, camera)
        end_all([camera], END_TIMEOUT_S)
        end_all(self.children, END_TIMEOUT_S)
        recorder.check(may_end=True)

    def _follow(self, recorder: Child, camera: Child) -> None:
        """Show reports until the camera has ended and nothing is under way."""
        rate_hz = self._arguments.rate or self._source.rate_hz or 10.0
        end_s, changed_s, before = math.inf, time.monotonic(), 0
        while True:
            report = self._report(recorder, 0.2)
            now_s = time.monotonic()
            if now_s >= end_s:
                camera.interrupt()
            if report is None:
                continue
            self.line.show(status_text(report))
            if report["frames_out"] != before:
                changed_s, before = now_s, report["frames_out"]
            if report["frames_in"] and end_s == math.inf and self._arguments.seconds is not None:
                end_s = now_s - report["frames_in"] / rate_hz + self._arguments.seconds
            if camera.is_running():
                continue
            if report["is_settled"] or now_s - changed_s > ANSWER_TIMEOUT_S:
                return

    def _wait_until_ready(self, recorder: Child) -> None:
        """Wait until the recorder sees the publishers that perception has once it has a model."""
        log, start_s = self._log_directory / "perception.log", time.monotonic()
        while True:
            report = self._report(recorder, 1.5)
            elapsed_s = time.monotonic() - start_s
            self.line.show(f"loading the model ({elapsed_s:.0f} s)")
            if report is not None and report["problem"]:
                raise MilaError(f"{report['problem']} (see {log})")
            if report is not None and report["is_ready"]:
                return
            if elapsed_s > START_TIMEOUT_S:
                raise MilaError(f"the model was not loaded after {elapsed_s:.0f} s; see {log}")

    def _report(self, recorder: Child, timeout_s: float) -> dict[str, Any] | None:
        """The recorder's next report, None if there was none in this time."""
        try:
            return recorder.reports.get(timeout=timeout_s)
        except queue.Empty:
            return None
        finally:
            for child in self.children:
                child.check(may_end=child.name == "camera")

    def _start(self, name: str, parameters: dict[str, Any], remappings: dict[str, str]) -> Child:
        child = Child(
            name,
            f"mila_ros.ros.{name}_node",
            parameters,
            remappings,
            self._environment,
            self._log_directory,
            reports=name == "recorder",
        )
        self.children.append(child)
        return child

    def _start_recorder(self) -> Child:
        parameters = {
            "output": str(self._arguments.out.resolve()),
            "perception": "/mila",
            "model": str(self._model),
            "report": "json",
        }
        topics = ("image_raw", "camera_info")
        return self._start("recorder", parameters, {name: f"/camera/{name}" for name in topics})

    def _start_perception(self) -> Child:
        parameters = {
            "model": str(self._model),
            "device": self._arguments.device,
            "engine": self._arguments.engine,
            "image_sizes": [_image_size(self._source)],
            "diagnostics.period_s": 0.5,
        }
        remappings = {
            "~/input/image": "/camera/image_raw",
            "~/input/camera_info": "/camera/camera_info",
        }
        return self._start("perception", parameters, remappings)

    def _start_camera(self) -> Child:
        spec = self._spec if self._source.is_live else str(Path(self._spec).expanduser().resolve())
        parameters = {
            "source": spec,
            "topic": self._arguments.topic,
            "rate": float(self._arguments.rate),
            "loop": self._arguments.seconds is not None,
            # Perception, once it is active, and the recorder.
            "wait_for_subscribers": 2,
            "start_delay": 0.5,
        }
        return self._start("camera", parameters, {"__ns": "/camera"})


def _image_size(source: FrameSource) -> str:
    """Of its first image, as the perception node takes it; empty where it is not known yet."""
    if source.is_live:
        return ""
    try:
        return "{}x{}".format(*next(iter(source)).size())
    except (SourceError, StopIteration):
        return ""  # the camera says what is wrong with it
