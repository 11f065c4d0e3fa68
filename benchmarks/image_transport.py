# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Count the images of the camera node that reach a bare subscriber in another process.

``python benchmarks/image_transport.py --json benchmarks/results/image_transport.json``

Every image is of one grey, and the greys count up, so that a lost image shows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from report import write_report

from mila_ros.paths import share_directory

GREYS = 30
GREY_STEP = 8
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


def receive(count: int, timeout_s: float) -> tuple[list[int], list[float], list[float]]:
    """Greys, times of arrival and latencies in ms of the first ``count`` images."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    greys: list[int] = []
    arrivals: list[float] = []
    latencies: list[float] = []
    rclpy.init()
    node = rclpy.create_node("subscriber")

    def on_image(message: Image) -> None:
        now_ns = node.get_clock().now().nanoseconds
        stamp = message.header.stamp
        if len(message.data) == message.step * message.height:
            greys.append(round(message.data[len(message.data) // 2] / GREY_STEP))
            arrivals.append(time.monotonic())
            latencies.append((now_ns - stamp.sec * 1e9 - stamp.nanosec) * 1e-6)

    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Image, "image_raw", on_image, profile)
    end = time.monotonic() + timeout_s
    while len(greys) < count and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.5)
    node.destroy_node()
    rclpy.try_shutdown()
    return greys, arrivals, latencies


def measure(width: int, height: int, rate_hz: float, count: int) -> dict[str, float]:
    """Start the camera on pictures of this size and listen."""
    with tempfile.TemporaryDirectory() as folder:
        for grey in range(GREYS):
            picture = np.full((height, width, 3), grey * GREY_STEP, np.uint8)
            cv2.imwrite(f"{folder}/{grey:03d}.jpg", picture)
        parameters = {"source": folder, "rate": rate_hz, "loop": True, "wait_for_subscribers": 1}
        arguments = [
            word
            for key, value in parameters.items()
            for word in ("-p", f"{key}:={json.dumps(value)}")
        ]
        camera = subprocess.Popen(
            [sys.executable, "-m", "mila_ros.ros.camera_node", "--ros-args", *arguments]
        )
        try:
            greys, arrivals, latencies = receive(count, timeout_s=30 + 3 * count / rate_hz)
        finally:
            camera.terminate()
            camera.wait(10)
    if len(greys) < count:
        raise SystemExit(
            f"only {len(greys)} of {count} images came; see what the camera said above"
        )
    steps = [(b - a) % GREYS for a, b in zip(greys, greys[1:], strict=False)]
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "width": width,
        "height": height,
        "rate_hz": rate_hz,
        "received": len(greys),
        "lost": sum(step - 1 for step in steps),
        "received_hz": round((len(arrivals) - 1) / (arrivals[-1] - arrivals[0]), 2),
        "latency_ms_p50": round(cuts[49], 1),
        "latency_ms_p95": round(cuts[94], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="1920x1080", help="WIDTHxHEIGHT")
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", "97")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault(PROFILES, str(share_directory() / "config/fastdds.xml"))
    width, height = (int(side) for side in arguments.size.split("x"))
    result = measure(width, height, arguments.rate, arguments.count)
    figures = {"profiles": Path(os.environ[PROFILES]).name, **result}
    print(json.dumps(figures, indent=1))
    write_report(arguments.json, figures)


if __name__ == "__main__":
    main()
