# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""At run time nothing is asked of a network: loading, stepping, and the node with its answers.

Python tells an audit hook of every socket; what DDS does in C++ is held by a network namespace in
which there is nothing but the machine itself, where the kernel lets one be made.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Training takes its first weights from an address where one is named; nothing else may.
WITH_NETWORK = {"mila_ros/training/start.py"}
NETWORK_MODULES = {"http", "urllib.request", "requests", "ftplib", "smtplib", "xmlrpc", "httpx"}
CODE_RUNNERS = {"pickle.load", "pickle.loads", "torch.hub", "marshal", "eval", "exec", "os.system"}

AUDIT = """
import sys

def audit(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"):
        address = arguments[1]
        is_here = isinstance(address, (str, bytes)) or address[0] in ("127.0.0.1", "::1")
        if not is_here:
            sys.exit(f"{event} {address}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        sys.exit(f"{event} {arguments}")

sys.addaudithook(audit)
"""

STEP = """
import numpy as np
from mila_ros.streaming import Perception
perception = Perception.load(sys.argv[1], device="cpu", threads=1)
image = np.zeros((64, 128, 3), np.uint8)
for number in range(2):
    frame = perception.step(image, stamp_ns=number * 100_000_000)
print("answered", frame.segmentation.shape, frame.depth.shape, frame.motion.shape)
"""

NODE = """
import threading, time
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from mila_ros.ros.perception_node import PerceptionNode

rclpy.init()
values = {"model": sys.argv[1], "device": "cpu", "cpu_threads": 1, "precision": "fp32"}
node = PerceptionNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
node.bring_up()
client, masks = Node("client"), []
client.create_subscription(Image, "/mila/segmentation/mask", masks.append, 10)
images = client.create_publisher(Image, "/mila/input/image", 1)
image = Image(height=64, width=128, step=384, encoding="rgb8", data=bytes(64 * 384))
executor = SingleThreadedExecutor()
executor.add_node(node)
executor.add_node(client)
end = time.monotonic() + 60
while not masks and time.monotonic() < end:
    image.header.stamp = node.get_clock().now().to_msg()
    images.publish(image)
    spun = time.monotonic() + 0.1
    while time.monotonic() < spun:
        executor.spin_once(timeout_sec=0.02)
print("answered", masks[0].height, masks[0].width)
node.destroy_node()
rclpy.shutdown()
"""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )


def python(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", AUDIT + program, *map(str, arguments)]


@pytest.mark.parametrize(
    ("program", "event"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 9), 0.1)", "socket."),
        ("import socket; socket.getaddrinfo('example.invalid', 80)", "socket.getaddrinfo"),
        ("import urllib.request as r; r.urlopen('http://192.0.2.1/')", "urllib.Request"),
        ("import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 9))", "socket.sendto"),
    ],
)
def test_the_audit_sees_what_it_is_to_see(program: str, event: str) -> None:
    result = run(python(program))
    assert result.returncode == 1 and event in result.stderr


@pytest.mark.parametrize("program", [STEP, NODE], ids=["step", "node"])
def test_no_address_is_asked_for(ros_domain: int, tiny_model: Path, program: str) -> None:
    result = run(python(program, tiny_model))
    assert result.returncode == 0 and "answered" in result.stdout, result.stderr


def alone() -> list[str]:
    """What runs a command with no network but the loopback; empty where that is not allowed."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    command = ["unshare", "--net", "--map-root-user", "sh", "-c"]
    script = 'ip link set lo up && exec "$@"'
    probe = subprocess.run([*command, script, "sh", "true"], capture_output=True)
    return [*command, script, "sh"] if probe.returncode == 0 else []


def test_the_node_answers_where_there_is_no_network(ros_domain: int, tiny_model: Path) -> None:
    prefix = alone()
    if not prefix:
        pytest.skip("this kernel lets no network namespace be made, or unshare and ip are missing")
    result = run([*prefix, *python(NODE, tiny_model)])
    assert result.returncode == 0 and "answered 64 128" in result.stdout, result.stderr


def named(tree: ast.AST) -> set[str]:
    """The modules imported and the functions called, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            found.add(ast.unparse(node.func))
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return found


def test_no_module_reaches_for_the_network_or_runs_what_it_reads() -> None:
    seen = set()
    for path in sorted((ROOT / "mila_ros").rglob("*.py")):
        names = named(ast.parse(path.read_text(encoding="utf-8")))
        reached = names & (NETWORK_MODULES | CODE_RUNNERS)
        where = str(path.relative_to(ROOT))
        if where in WITH_NETWORK:
            seen.add(where)
            reached -= {"urllib.request", "torch.hub"}
        assert not reached, (where, reached)
    assert seen == WITH_NETWORK


def test_torch_loads_weights_only() -> None:
    for path in sorted((ROOT / "mila_ros").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert options.get("weights_only") == "True", path
