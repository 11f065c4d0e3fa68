# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said in several places is the same in all of them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

import mila_ros

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_XML = ElementTree.parse(ROOT / "package.xml").getroot()

# The package.xml key of what Python imports; None is left to pip.
KEYS = {
    "mujoco": None,
    "cv2": "python3-opencv",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
    "rosbags": None,
    "safetensors": None,
    "torch": None,
}


def setup_argument(name: str) -> Any:
    """The value of an argument of setup() that is written out in setup.py."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"setup.py does not give {name}")


def imported_names() -> set[str]:
    names = set()
    for path in [*ROOT.glob("mila_ros/**/*.py"), *ROOT.glob("launch/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    # triton comes with the torch builds that can use it.
    return names - set(sys.stdlib_module_names) - {"mila_ros", "triton"}


def test_versions_agree() -> None:
    result = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    changelog = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    newest = re.search(r"^(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)\n-+$", changelog, re.MULTILINE)
    assert newest is not None
    versions = {
        "package.xml": PACKAGE_XML.findtext("version"),
        "setup.py": result.stdout.split()[-1],
        "CHANGELOG.rst": newest[1],
    }
    assert versions == dict.fromkeys(versions, mila_ros.__version__)


def test_names_and_licences_agree() -> None:
    maintainer = PACKAGE_XML.find("maintainer")
    assert maintainer is not None
    assert maintainer.text == setup_argument("maintainer")
    assert maintainer.get("email") == setup_argument("maintainer_email")
    assert PACKAGE_XML.findtext("license") == setup_argument("license") == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PACKAGE_XML.get("format") == "3"
    assert PACKAGE_XML.findtext("export/build_type") == "ament_python"
    assert (ROOT / "resource" / str(PACKAGE_XML.findtext("name"))).is_file()


def test_imports_and_no_others_are_declared() -> None:
    declared = {element.text for element in PACKAGE_XML.findall("exec_depend")}
    needed = {KEYS.get(name, name) for name in imported_names()} - {None}
    assert needed | {"tf2_msgs"} == declared  # that the evaluator imports by name, where it is


def test_pip_gets_what_package_xml_leaves_to_it() -> None:
    extras = setup_argument("extras_require")
    lines = [*setup_argument("install_requires"), *extras["simulation"]]
    requirements = {re.split(r"[<>=]", line)[0] for line in lines}
    assert {name for name, key in KEYS.items() if key is None} <= requirements


def test_lock_holds_every_requirement_at_one_version() -> None:
    def pins(name: str) -> dict[str, str]:
        found = re.findall(
            r"^([\w-]+)(?:\[\w+\])?==([\w.]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE
        )
        assert len(found) == len(dict(found))
        return dict(found)

    asked, locked = pins("requirements.in"), pins("requirements.lock")
    assert asked.items() <= locked.items()
    extras = setup_argument("extras_require")
    wanted = [*setup_argument("install_requires"), *extras["ros"], *extras["test"]]
    assert {re.split(r"[<>=\[]", line)[0] for line in wanted} <= asked.keys()


def test_dependencies_are_ranges() -> None:
    for line in setup_argument("install_requires"):
        assert re.fullmatch(r"[\w-]+>=[\d.]+", line), line


def test_every_file_names_its_licence() -> None:
    head = "# Copyright 2026 the mila_ros authors\n# SPDX-License-Identifier: Apache-2.0\n"
    sources = [*ROOT.glob("mila_ros/**/*.py"), *ROOT.glob("test/**/*.py"), ROOT / "Makefile"]
    sources += [*ROOT.glob("launch/*.py"), ROOT / "setup.py"]
    without = [str(path) for path in sources if not path.read_text("utf-8").startswith(head)]
    assert without == []


def test_fast_dds_profile_has_room_for_large_images() -> None:
    profile = ElementTree.parse(ROOT / "config" / "fastdds.xml").getroot()
    space = {"p": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    transports = {
        transport.findtext("p:type", None, space): transport
        for transport in profile.findall(".//p:transport_descriptor", space)
    }
    used = [e.text for e in profile.findall(".//p:userTransports/p:transport_id", space)]
    assert used == [t.findtext("p:transport_id", None, space) for t in transports.values()]
    assert set(transports) == {"SHM", "UDPv4"}
    assert transports["SHM"].findtext("p:segment_size", None, space) == str(64 * 2**20)
    # Two 1080p images, in pieces of 64 KiB, at the same time for each of several topics.
    pieces = int(transports["SHM"].findtext("p:port_queue_capacity", "0", space))
    assert pieces > 10 * 1920 * 1080 * 3 / 65500
    participant = profile.find(".//p:participant", space)
    assert participant is not None
    assert participant.get("is_default_profile") == "true"
    assert participant.findtext("p:rtps/p:useBuiltinTransports", None, space) == "false"


def test_rviz_shows_the_topics() -> None:
    config = yaml.safe_load((ROOT / "config" / "perception.rviz").read_text("utf-8"))
    displays = config["Visualization Manager"]["Displays"]
    assert [display["Class"].partition("/")[2] for display in displays] == [
        *["Image"] * 4,
        "PointCloud2",
    ]
    # Points cost more than they show until somebody wants them.
    assert [display["Enabled"] for display in displays] == [*[True] * 4, False]
    assert [display["Topic"]["Value"] for display in displays] == [
        "/image_raw",
        "/mila/segmentation/overlay",
        "/mila/depth/image",
        "/mila/motion/mask",
        "/mila/depth/points",
    ]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_the_targets() -> None:
    result = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True
    )
    targets = [line.split()[1] for line in result.stdout.splitlines()]
    assert targets == ["help", "venv", "demo", "test", "fuzz", "storm", "load", "lint", "clean"]
    assert result.stdout == subprocess.check_output(
        ["make", "--no-print-directory"], cwd=ROOT, text=True
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_refuses_a_python_that_is_not_there() -> None:
    result = subprocess.run(
        ["make", "venv", "VENV=.no-such-venv", "PYTHON=no-such-python"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "there is no no-such-python here" in result.stderr
    assert not (ROOT / ".no-such-venv").exists()


def test_ci_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make --no-print-directory test" in script.read_text(encoding="utf-8")
