# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a measurement was made on: the machine and the versions, without importing anything."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from mila_ros import __version__

_DISTRIBUTIONS = {
    "torch": ("torch",),
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python"),
    "rosbags": ("rosbags",),
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "tensorrt": ("tensorrt",),
    "rclpy": ("ros-rclpy", "rclpy"),
}


def machine() -> dict[str, object]:
    """Processor, cores that this process may use, memory in GiB, the system, how threads wait."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
        "gomp_spincount": os.environ.get("GOMP_SPINCOUNT", ""),
    }


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what its figures depend on, as far as there."""
    found = {"mila_ros": __version__, "python": platform.python_version()}
    for name, distributions in _DISTRIBUTIONS.items():
        for distribution in distributions:
            try:
                found[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    if os.environ.get("ROS_DISTRO"):
        found["ros_distro"] = os.environ["ROS_DISTRO"]
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            for line in cpuinfo:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
