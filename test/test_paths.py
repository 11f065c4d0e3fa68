# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finding what is installed beside the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mila_ros import paths
from mila_ros.errors import MilaError


@pytest.fixture
def prefixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Empty places to install to; the source tree is moved there too."""
    places = {name: tmp_path / name for name in ("overlay", "ros", "venv", "user", "source")}
    search = os.pathsep.join([str(places["overlay"]), "", str(places["ros"])])
    monkeypatch.setenv("AMENT_PREFIX_PATH", search)
    monkeypatch.setattr(sys, "prefix", str(places["venv"]))
    monkeypatch.setattr(paths.site, "getuserbase", lambda: str(places["user"]))
    monkeypatch.setattr(paths, "__file__", str(places["source"] / "mila_ros" / "paths.py"))
    monkeypatch.chdir(tmp_path)
    return places


def install(prefix: Path, *models: str) -> Path:
    share = prefix / "share" / "mila_ros"
    share.mkdir(parents=True)
    for model in models:
        (share / "models" / model).mkdir(parents=True)
        (share / "models" / model / "model.json").touch()
    return share


def test_the_first_hit_wins(prefixes: dict[str, Path]) -> None:
    prefixes["source"].mkdir()
    (prefixes["source"] / "package.xml").touch()
    assert paths.share_directory() == prefixes["source"]
    for name in ("user", "venv", "ros", "overlay"):
        share = install(prefixes[name])
        assert paths.share_directory() == share


def test_an_environment_without_ros(
    prefixes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH")
    share = install(prefixes["venv"])
    assert paths.share_directory() == share


def test_nothing_is_installed(prefixes: dict[str, Path]) -> None:
    with pytest.raises(MilaError, match=r"there is no share/mila_ros folder under .*overlay, "):
        paths.share_directory()


def test_this_source_tree_or_an_install_has_a_share_directory() -> None:
    assert paths.share_directory().is_dir()


def test_models_are_listed_by_name(prefixes: dict[str, Path]) -> None:
    share = install(prefixes["venv"], "street", "room")
    (share / "models" / "unfinished").mkdir()
    (share / "models" / "notes.md").touch()
    assert paths.list_models() == [share / "models" / "room", share / "models" / "street"]


def test_no_models_are_an_empty_list(prefixes: dict[str, Path]) -> None:
    install(prefixes["venv"])
    assert paths.list_models() == []


def test_a_model_by_name_and_by_path(prefixes: dict[str, Path], tmp_path: Path) -> None:
    share = install(prefixes["venv"], "street")
    own = tmp_path / "mine" / "street"
    own.mkdir(parents=True)
    (own / "model.json").touch()
    assert paths.find_model("street") == share / "models" / "street"
    assert paths.find_model(own) == own
    assert paths.find_model("mine/street") == Path("mine/street")


def test_a_folder_comes_before_an_installed_model(
    prefixes: dict[str, Path], tmp_path: Path
) -> None:
    install(prefixes["venv"], "street")
    (tmp_path / "street").mkdir()
    (tmp_path / "street" / "model.json").touch()
    assert paths.find_model("street") == Path("street")


def test_a_path_in_the_home_folder(
    prefixes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").touch()
    assert paths.find_model("~/mine") == tmp_path / "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("street2", r"no model 'street2': give .* installed model \(room, street\)"),
        ("../models/street", "there is no model"),
        ("", "is no model bundle"),
        ("mine", "mine is no model bundle: it has no model.json"),
    ],
)
def test_no_such_model(prefixes: dict[str, Path], tmp_path: Path, name: str, message: str) -> None:
    install(prefixes["venv"], "street", "room")
    (tmp_path / "mine").mkdir()
    with pytest.raises(MilaError, match=message):
        paths.find_model(name)


def test_no_models_at_all(prefixes: dict[str, Path]) -> None:
    install(prefixes["venv"])
    with pytest.raises(MilaError, match=r"installed model \(none\)"):
        paths.find_model("street")


def test_a_training_is_named_where_its_bundle_was_meant(prefixes: dict[str, Path]) -> None:
    work = install(prefixes["user"], "street") / "models"
    with pytest.raises(MilaError, match=rf"no model.json; did you mean {work}/street\?"):
        paths.find_model(work)


@pytest.mark.parametrize(
    ("distribution", "name"),
    [
        (None, "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("humble", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_large_images_are_carried_unless_the_user_knows_better(
    prefixes: dict[str, Path], distribution: str | None, name: str
) -> None:
    share = install(prefixes["venv"])
    environment = {} if distribution is None else {"ROS_DISTRO": distribution}
    assert paths.large_images(environment) == {name: f"{share}/config/fastdds.xml"}
    assert paths.large_images({**environment, name: "mine.xml"}) == {}
