# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build for both worlds: ``colcon build`` and ``pip install .``.

colcon puts the commands where ``ros2 run`` looks (setup.cfg), pip puts them on PATH.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "mila_ros"
# `colcon build --symlink-install` runs a link to this file, beside few of the files that it reads.
ROOT = Path(__file__).resolve().parent


def version() -> str:
    source = (ROOT / NAME / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)[1]


def share(*folders: str) -> list[tuple[str, list[str]]]:
    """Everything below the folders, to be installed at the same place below share/mila_ros."""
    files: dict[Path, list[str]] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(ROOT)
                files.setdefault(relative.parent, []).append(str(relative))
    return [(f"share/{NAME}/{parent}", names) for parent, names in files.items()]


setup(
    name=NAME,
    version=version(),
    description="Segmentation, metric depth and motion masks from video, for ROS 2",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    maintainer="the mila_ros authors",
    maintainer_email="mila_ros@example.org",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: ["py.typed", "networks/local_attention/*.cpp", "networks/local_attention/*.h"]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *share("launch", "config", "models", "samples"),
    ],
    # Ranges, so that the torch that is already there stays: a Jetson's, a CPU build, a CUDA build.
    install_requires=[
        "torch>=2.1",
        "numpy>=1.21",
        # Not opencv-python: that one needs libGL, which robots and containers often lack.
        "opencv-python-headless>=4.5",
        "safetensors>=0.4",
        "rosbags>=0.10",
        "tqdm>=4.60",
    ],
    extras_require={
        # Only for machines without a ROS distribution.
        "ros": [
            "ros-jazzy-rclpy[fastrtps]",
            "ros-jazzy-sensor-msgs",
            "ros-jazzy-diagnostic-msgs",
            "ros-jazzy-std-srvs",
        ],
        "simulation": ["mujoco>=3.7"],
        "openvino": ["openvino>=2026.4"],
        "export": ["onnx", "onnxscript", "onnxruntime"],
        "training": ["pyyaml", "tensorboard"],
        "reports": ["matplotlib>=3.7"],
        "datasets": ["h5py", "scipy"],
        "test": ["hypothesis", "pytest", "pyyaml", "ruff", "mypy"],
    },
    entry_points={
        "console_scripts": [
            "mila = mila_ros.cli:main",
            "perception = mila_ros.nodes:perception",
            "camera = mila_ros.nodes:camera",
            "recorder = mila_ros.nodes:recorder",
            "player = mila_ros.nodes:player",
            "evaluator = mila_ros.nodes:evaluator",
        ],
    },
    zip_safe=False,
)
