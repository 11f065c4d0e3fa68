# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a launch file would start, without starting it."""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The share folder of the package in an ament prefix of its own."""
    packages = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    packages.mkdir(parents=True)
    (packages / "mila_ros").touch()
    (tmp_path / "share" / "mila_ros").symlink_to(ROOT)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    monkeypatch.delenv(PROFILES, raising=False)
    return tmp_path / "share" / "mila_ros"


@pytest.fixture
def launch_file(share: Path) -> partial[Launched]:
    """What comes of a launch file, given its name and arguments."""
    return partial(Launched, share)


class Launched:
    """What a launch file makes of its arguments."""

    def __init__(self, share: Path, file: str = "perception", **arguments: str) -> None:
        launch = pytest.importorskip("launch")
        path = share / "launch" / f"{file}.launch.py"
        spec = importlib.util.spec_from_file_location(f"{file}_launch", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        context = launch.LaunchContext()
        context.launch_configurations.update(arguments)
        environment = dict(os.environ)
        try:
            self.nodes: list[Any] = []
            self._collect(module.generate_launch_description(), context)
            for node in self.nodes:
                node._perform_substitutions(context)
            self.profiles = os.environ[PROFILES]
        finally:
            os.environ.clear()
            os.environ.update(environment)
        self.context = context

    def _collect(self, entity: Any, context: Any) -> None:
        """Carry out everything but the nodes."""
        launch_ros = pytest.importorskip("launch_ros")
        if isinstance(entity, launch_ros.actions.Node):
            self.nodes.append(entity)
            return
        for inner in entity.visit(context) or []:
            self._collect(inner, context)

    def node(self, executable: str) -> Any:
        (found,) = (node for node in self.nodes if node.node_executable == executable)
        return found

    def command(self, node: Any) -> list[str]:
        """The command line of a node, but for the name and namespace that come last."""
        words = []
        for word in node.cmd:
            if not any(type(part).__name__ == "LocalSubstitution" for part in word):
                if not type(word[0]).__name__ == "ExecutableInPackage":
                    words.append("".join(part.perform(self.context) for part in word))
        return words

    def parameters(self, node: Any) -> dict[str, object]:
        """The parameters of a node, what is given last overriding what is given first."""
        command = self.command(node)
        values: dict[str, object] = {}
        for flag, path in zip(command, command[1:], strict=False):
            if flag == "--params-file":
                # launch_ros writes lists as tuples of Python, which ROS reads all the same.
                written = Path(path).read_text("utf-8").replace("!!python/tuple", "")
                for name, section in yaml.safe_load(written).items():
                    if name != "elsewhere":
                        values |= section["ros__parameters"]
        return values
