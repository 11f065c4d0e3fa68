# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a network starts from: weights of encoders, and a first answer for depth."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import published_name, published_weights
from training_bench import ENCODER, MILA, config, single_stage

from mila_ros.errors import MilaError
from mila_ros.networks.efficientnet import EfficientNetLite
from mila_ros.networks.hrnet import HRNet
from mila_ros.networks.resnet import ResNet
from mila_ros.training.start import stage_network


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A torchvision-like state_dict, and the address under which it is served."""
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.manual_seed(5)
    weights = ResNet("resnet18", 8, False, 16).state_dict()
    torch.save(weights | {"fc.weight": torch.zeros(3, 3)}, folder / "resnet18.pth")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder / "resnet18.pth", f"http://127.0.0.1:{server.server_port}/resnet18.pth"
        server.shutdown()


@pytest.mark.parametrize("how", ["path", "file", "http"])
def test_imagenet_weights(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    path, url = served
    where = {"path": str(path), "file": path.as_uri(), "http": url}[how]
    network, _ = stage_network(config(start={"slow": where}), 0, None)
    weights = torch.load(path)
    for name, value in network.slow.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert not torch.equal(network.fast.conv1.weight, weights["conv1.weight"])


def test_every_encoder_of_a_part_has_the_weights(served: tuple[Path, str]) -> None:
    path, _ = served
    network = {"name": "single_task", "arguments": ENCODER}
    wanted = config(network=network, start={"encoders": str(path)}, stages=single_stage("frames"))
    made, _ = stage_network(wanted, 0, None)
    weights = torch.load(path)
    assert len(made.encoders) == 3
    for encoder in made.encoders.values():
        for name, value in encoder.state_dict().items():
            assert torch.equal(value, weights[name]), name


def test_an_hrnet_begins_with_its_authors_weights(tmp_path: Path) -> None:
    torch.manual_seed(5)
    weights = HRNet("hrnet18_small").state_dict()
    torch.save(weights | {"classifier.weight": torch.zeros(3, 3)}, tmp_path / "hrnet18.pth")
    network = {"name": "mti_net", "arguments": {"backbone": "hrnet18_small"}}
    start = {"encoder": str(tmp_path / "hrnet18.pth")}
    wanted = config(network=network, start=start, stages=single_stage("frames"))
    made, _ = stage_network(wanted, 0, None)
    for name, value in made.encoder.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_bundle_s_network_gets_a_new_encoder(tmp_path: Path) -> None:
    """What the bundle lacks begins as ``start`` says, its neck at random; the rest as it was."""
    before, _ = stage_network(config(), 0, None)
    torch.manual_seed(5)
    weights = published_weights(EfficientNetLite("efficientnet_lite0"))
    torch.save(weights, tmp_path / "lite0.pth")
    arguments = MILA | {"slow": "efficientnet_lite0"}
    network = {"name": "mila", "arguments": arguments}
    wanted = config(network=network, start={"slow": str(tmp_path / "lite0.pth")})
    after, fresh = stage_network(wanted, 0, before.state_dict())
    for name, value in after.state_dict().items():
        if name.startswith("slow."):
            if name != "slow.conv_stem.weight" and name != "slow.bn0.running_mean":
                assert torch.equal(value, weights[published_name(name.removeprefix("slow."))]), name
        elif not name.startswith("slow_neck."):
            assert torch.equal(value, before.state_dict()[name]), name
    assert {name.partition(".")[0] for name in fresh} == {"slow", "slow_neck"}
    again, fresh = stage_network(wanted, 0, after.state_dict())  # the next stage, or resumed
    assert not fresh
    assert all(torch.equal(v, after.state_dict()[n]) for n, v in again.state_dict().items())


def test_depth_begins_in_mid_range() -> None:
    for network, arguments in (("mila", MILA), ("multi_task", ENCODER)):
        wanted = config(
            network={"name": network, "arguments": arguments}, stages=single_stage("frames")
        )
        made, _ = stage_network(wanted, 0, None)
        logits = made.eval()(torch.zeros(1, 3, 32, 64))[0]["depth"]
        assert logits.mean().item() == pytest.approx(np.log(np.sqrt(0.5 * 100.0)), abs=0.3)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ({"slow": "/nowhere/x.pth"}, "the weights /nowhere/x.pth cannot be had: No such file"),
        ({"slow": "http://127.0.0.1:1/x.pth"}, "cannot be had: .*refused"),
        (
            {"encoder": "x.pth"},
            "start names encoder, but mila has no encoder there that weights",
        ),
        ({"slow": "LIST"}, "cannot be had: not a state_dict"),
        ({"slow": "TEXT"}, "cannot be had: not a state_dict"),
        ({"slow": "OTHER"}, "does not fit the encoder slow: "),
    ],
)
def test_weights_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: dict[str, str], sentence: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    torch.save([1], tmp_path / "LIST")
    (tmp_path / "TEXT").write_text("weights")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "OTHER")
    start = {k: str(tmp_path / v) if v.isupper() else v for k, v in start.items()}
    with pytest.raises(MilaError, match=sentence):
        stage_network(config(start=start), 0, None)
