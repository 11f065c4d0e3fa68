# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one node, each in a process of its own, and a subscriber that checks it all.

``python benchmarks/load.py --cameras 4 --rate 30 --minutes 60 --json load.json``

The JSON is written anew every minute, so that a run that is killed leaves its result.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from load_figures import CameraLog, camera_figures, memory_figures, percentiles, verdicts
from report import write_report

from mila_ros.paths import share_directory

PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
ANSWER = "segmentation/mask"
TIMING = "debug/processing_time_ms"
LOADING_S = 180.0


def publish(name: str, width: int, height: int, rate_hz: float) -> None:
    """A camera's process: pictures at a fixed rate; each second their stamps as a line of JSON."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    rclpy.init()
    node = rclpy.create_node(f"camera_{name}")
    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    topic = node.create_publisher(Image, f"/mila/{name}/input/image", profile)
    image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    image.header.frame_id = f"{name}_optical"
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    image.data.frombytes(np.kron(noise, np.ones((8, 8, 1), np.uint8)).tobytes())
    stamps: list[int] = []
    due = time.monotonic()
    try:
        while os.getppid() != 1:
            due = max(due + 1 / rate_hz, time.monotonic() - 1 / rate_hz)
            time.sleep(max(0.0, due - time.monotonic()))
            stamp_ns = time.time_ns()
            image.header.stamp.sec, image.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
            topic.publish(image)
            stamps.append(stamp_ns)
            if len(stamps) >= rate_hz:
                print(json.dumps(stamps), flush=True)
                stamps.clear()
    finally:
        print(json.dumps(stamps), flush=True)


class Process:
    """A child; its memory and the time that it has computed."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.child = subprocess.Popen(command, **options)
        self._folder = Path(f"/proc/{self.child.pid}")

    def resident_mb(self) -> float:
        pages = int((self._folder / "statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    def cpu_s(self) -> float:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()


class Run:
    """The observations of a run, and the report of what there is so far."""

    def __init__(self, arguments: argparse.Namespace, node: Process, names: list[str]) -> None:
        self.arguments, self.node = arguments, node
        self.logs = {name: CameraLog() for name in names}
        self.memory: list[tuple[float, float]] = []
        self.latest: dict[str, dict[str, str]] = {}
        self._began_s = self._cpu_began_s = self._ended_s = 0.0

    def subscribe(self, ros: Any) -> None:
        """Listen to answers, without reading more than their stamps, and to the node's counts."""
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image
        from std_msgs.msg import Float64

        from mila_ros.ros.stamps import header_stamp_ns

        profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        for name, log in self.logs.items():

            def on_answer(data: bytes, log: CameraLog = log) -> None:
                log.answer(header_stamp_ns(data), time.time_ns())

            def on_timing(message: Float64, log: CameraLog = log) -> None:
                log.timing(message.data)

            ros.create_subscription(Image, f"/mila/{name}/{ANSWER}", on_answer, profile, raw=True)
            ros.create_subscription(Float64, f"/mila/{name}/{TIMING}", on_timing, profile)
            for other in self.arguments.also:
                ros.create_subscription(
                    Image, f"/mila/{name}/{other}", lambda _: None, profile, raw=True
                )
        ros.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.latest[status.name] = values
            log = self.logs.get(status.name.rpartition(" ")[2])
            if log is not None and "received" in values:
                log.node = {
                    key: int(value)
                    for key, value in values.items()
                    if key in ("received", "answered") or key.startswith("dropped.")
                }

    def listen(self, name: str, camera: Process) -> None:
        """Collect the stamps that a camera says it has published."""
        for line in camera.child.stdout:
            self.logs[name].offered.extend(json.loads(line))

    def begin(self) -> None:
        """From here on it counts: the answers so far were of a node that was warming up."""
        for log in self.logs.values():
            log.answers.clear()
            log.processing_ms.clear()
        self._began_s, self._cpu_began_s = time.monotonic(), self.node.cpu_s()

    def end(self) -> None:
        """The cameras are about to stop."""
        self._ended_s = time.monotonic()

    @property
    def minutes(self) -> float:
        return ((self._ended_s or time.monotonic()) - self._began_s) / 60

    def sample(self) -> None:
        """Note the node's memory."""
        self.memory.append((time.monotonic() - self._began_s, self.node.resident_mb()))

    def report(self, *, is_complete: bool) -> dict[str, Any]:
        minutes, period_s = self.minutes, 1 / self.arguments.rate
        cameras = {name: camera_figures(log, period_s, minutes) for name, log in self.logs.items()}
        memory = memory_figures(self.memory)
        every = [log for log in self.logs.values() if log.answers]
        latencies = [(at - stamp) * 1e-6 for log in every for stamp, at in log.answers]
        return {
            "load_average": os.getloadavg(),
            "is_complete": is_complete,
            "minutes": round(minutes, 2),
            "model": self.arguments.model,
            "size": self.arguments.size,
            "offered_hz": self.arguments.rate,
            "parameters": self.arguments.parameter,
            "answered_hz": round(len(latencies) / (60 * minutes), 2),
            "latency_ms": percentiles(latencies),
            "node_cores": round((self.node.cpu_s() - self._cpu_began_s) / (60 * minutes), 2),
            "memory": memory,
            "verdicts": verdicts(cameras, memory, minutes),
            "cameras": cameras,
            "node_processing": self.latest.get("mila: processing", {}),
        }


def start_node(arguments: argparse.Namespace, names: list[str]) -> Process:
    values = {
        "model": arguments.model,
        "cameras": json.dumps(names),
        "cpu_threads": arguments.threads,
        "device": arguments.device,
    }
    words = [f"{key}:={value}" for key, value in values.items()] + arguments.parameter
    options = [word for pair in words for word in ("-p", pair)]
    return Process([sys.executable, "-m", "mila_ros.ros.perception_node", "--ros-args", *options])


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start everything, observe for so many minutes, end everything."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    names = [f"camera_{number}" for number in range(arguments.cameras)]
    width, height = (int(side) for side in arguments.size.split("x"))
    node = start_node(arguments, names)
    cameras: list[Process] = []
    rclpy.init()
    ros = rclpy.create_node("load")
    executor = SingleThreadedExecutor()
    executor.add_node(ros)
    spin = threading.Thread(target=executor.spin, daemon=True)
    try:
        state = Run(arguments, node, names)
        state.subscribe(ros)
        spin.start()
        end = time.monotonic() + LOADING_S
        while "model" not in state.latest.get("mila: model", {}):
            if node.child.poll() is not None or time.monotonic() > end:
                raise SystemExit("the node did not come up; see what it said above")
            time.sleep(0.2)
        for name in names:
            command = [sys.executable, __file__, "--camera", name, "--rate", str(arguments.rate)]
            command += ["--size", f"{width}x{height}"]
            cameras.append(Process(command, stdout=subprocess.PIPE, text=True))
            threading.Thread(target=state.listen, args=(name, cameras[-1]), daemon=True).start()
        end = time.monotonic() + LOADING_S
        while not all(log.answers for log in state.logs.values()) and time.monotonic() < end:
            time.sleep(0.2)
        state.begin()
        watch(state, arguments)
        state.end()
        for camera in cameras:
            camera.end()
        time.sleep(3.0)  # the last answers, and the node's last word on its counts
        return state.report(is_complete=True)
    finally:
        for process in (*cameras, node):
            if process.child.poll() is None:
                process.end()
        executor.shutdown(timeout_sec=5.0)
        if spin.is_alive():
            spin.join(5.0)  # a context that goes while a thread spins in it aborts the process
        rclpy.try_shutdown()


def watch(state: Run, arguments: argparse.Namespace) -> None:
    next_line_s, next_report = 10.0, 1.0
    while state.minutes < arguments.minutes:
        time.sleep(1.0)
        if state.node.child.poll() is not None:
            raise SystemExit(f"the node ended after {state.minutes:.1f} minutes")
        state.sample()
        if state.minutes * 60 >= next_line_s:
            next_line_s += 10.0
            offered = sum(len(log.offered) for log in state.logs.values())
            recent = [log.answers[-20:] for log in state.logs.values()]
            latencies = percentiles([(at - s) * 1e-6 for answers in recent for s, at in answers])
            answers = sum(len(log.answers) for log in state.logs.values())
            print(
                f"{state.minutes:6.1f} min  offered {offered}  answers {answers}  "
                f"latency {latencies and latencies['p50']} ms (p95 "
                f"{latencies and latencies['p95']})  memory {state.memory[-1][1]:.0f} MB",
                flush=True,
            )
        if state.minutes >= next_report:
            next_report += 1.0
            write_report(arguments.json, state.report(is_complete=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT")
    parser.add_argument("--rate", type=float, default=30.0, help="frames a second of each camera")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--model", default="mila_street")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="of the network")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME:=VALUE", help="more of the node's"
    )
    parser.add_argument(
        "--also", nargs="*", default=["depth/image", "motion/mask"], help="further outputs taken"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--camera", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", "98")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault(PROFILES, str(share_directory() / "config/fastdds.xml"))
    if arguments.camera:
        try:
            publish(arguments.camera, *map(int, arguments.size.split("x")), arguments.rate)
        except KeyboardInterrupt:
            pass
        return
    report = run(arguments)
    write_report(arguments.json, report)
    print(json.dumps(report, indent=1))
    broken = [name for name, verdict in report["verdicts"].items() if verdict.startswith("BROKEN")]
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
