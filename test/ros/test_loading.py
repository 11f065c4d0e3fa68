# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said where a package of the pipeline is not there, or does not load."""

import sys

import pytest

from mila_ros.errors import MilaError
from mila_ros.ros.loading import load_pipeline

PIPELINE = "mila_ros.ros.pipeline"
LIBRARY = "libcudnn.so.9: cannot open shared object file: No such file or directory"


class Refuse:
    """An importer with which the pipeline cannot be imported."""

    def __init__(self, error: ImportError) -> None:
        self._error = error

    def find_spec(self, name, path=None, target=None):
        if name == PIPELINE:
            raise self._error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "torch is not installed: `pip install torch`.",
        ),
        (
            ModuleNotFoundError("No module named 'torch.fx'", name="torch.fx"),
            "A package is damaged or too old: No module named 'torch.fx'",
        ),
        (ImportError(LIBRARY, name="torch._C"), f"torch._C cannot be loaded: {LIBRARY}"),
        (
            ImportError("cannot import name 'safe_open' from 'safetensors'", name="safetensors"),
            "safetensors cannot be loaded: cannot import name 'safe_open' from 'safetensors'",
        ),
    ],
)
def test_the_cause_is_said(monkeypatch, error, sentence) -> None:
    monkeypatch.delitem(sys.modules, PIPELINE, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refuse(error), *sys.meta_path])
    with pytest.raises(MilaError) as raised:
        load_pipeline(None)
    assert str(raised.value) == sentence
