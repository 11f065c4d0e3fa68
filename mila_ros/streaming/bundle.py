# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model bundles: a folder with ``model.json`` and ``weights.safetensors``.

Nothing in a bundle is executed. It is verified before anything is allocated from it: the
description first, then the weights file's header against a network that has shapes but no memory,
then its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ..errors import BundleError
from ..networks import Network, build_network
from ..paths import DESCRIPTION_FILE, find_model
from .description import Bundle, parse_description
from .json_fields import decode

WEIGHTS_FILE = "weights.safetensors"
MAX_DESCRIPTION_BYTES = 1 << 20
MAX_WEIGHTS_BYTES = 2 << 30

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_SAFETENSORS_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def read_bundle(model: str | Path) -> Bundle:
    """The description alone; the weights are not looked at.

    Args:
        model: A folder, or the name of an installed model.

    Raises:
        MilaError: When there is no such bundle.
        BundleError: When its ``model.json`` does not verify.
    """
    path = find_model(model) / DESCRIPTION_FILE
    with _naming(path):
        _check_size(path, MAX_DESCRIPTION_BYTES)
        return parse_description(decode(path.read_text(encoding="utf-8")))


def verify_bundle(model: str | Path) -> Bundle:
    """Check everything about a bundle: description, network, names, shapes, hash and values.

    Raises:
        MilaError: See :func:`read_bundle`.
        BundleError: For the first thing that is wrong.
    """
    return load_bundle(model)[0]


def load_bundle(model: str | Path) -> tuple[Bundle, Network]:
    """The description and the network, in float32 on the CPU, in evaluation mode.

    Raises:
        MilaError: See :func:`read_bundle`.
        BundleError: When the bundle does not verify.
    """
    directory = find_model(model)
    bundle = read_bundle(directory)
    with _naming(directory / DESCRIPTION_FILE):
        network = _shapes_only(bundle)
    path = directory / WEIGHTS_FILE
    with _naming(path):
        _check_size(path, MAX_WEIGHTS_BYTES)
        _check_header(path, bundle, _trained(network))
        _check_hash(path, bundle.weights_sha256)
        _fill(network, load_file(path))
    return bundle, network


def save_bundle(
    directory: str | Path,
    network: Network,
    description: Mapping[str, Any],
    dtype: str = "float16",
) -> Bundle:
    """Write a bundle that :func:`load_bundle` accepts.

    Args:
        directory: Made when it does not exist; the two files in it are replaced, once the new ones
            are on the disk. What stops this before leaves those that were there.
        network: Its weights are saved; its own state is left as it is.
        description: The content of ``model.json`` without ``weights``.
        dtype: What the weights are rounded to.

    Returns:
        The description as it was written.

    Raises:
        BundleError: When the description is wrong, does not describe this network, or the weights
            are not finite numbers in ``dtype``. Nothing is written then.
        OSError: It cannot be written, such as on a full disk.
    """
    directory = Path(directory)
    weights = {"sha256": "0" * 64, "dtype": dtype}
    bundle = parse_description(_json_copy({**description, "weights": weights}))
    tensors = {
        name: tensor.detach().to("cpu", _DTYPES[dtype]).contiguous()
        for name, tensor in _trained(network).items()
    }
    expected = _trained(_shapes_only(bundle))
    _check_shapes(
        {name: list(tensor.shape) for name, tensor in tensors.items()},
        {name: list(tensor.shape) for name, tensor in expected.items()},
    )
    _check_finite(tensors)
    directory.mkdir(parents=True, exist_ok=True)
    content = save(tensors)
    weights["sha256"] = hashlib.sha256(content).hexdigest()
    document = json.dumps({**description, "weights": weights}, indent=2, ensure_ascii=False)
    files = {WEIGHTS_FILE: content, DESCRIPTION_FILE: f"{document}\n".encode()}
    _replace({directory / name: new for name, new in files.items()})
    return read_bundle(directory)


def _replace(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together; no old one goes before all new ones are on the disk."""
    parts = {path: path.with_name(f"{path.name}.part") for path in files}
    try:
        for path, part in parts.items():
            with part.open("wb") as file:
                file.write(files[path])
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            part.replace(path)
    except OSError:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file it was, whatever is wrong with it."""
    try:
        yield
    except SafetensorError as error:
        raise BundleError(f"{path}: not a safetensors file: {error}") from error
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: not valid JSON: not UTF-8") from error
    except FileNotFoundError as error:
        raise BundleError(f"{path}: no such file; get the complete bundle again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def _json_copy(document: Mapping[str, Any]) -> Any:
    """As it will be read back: tuples are lists then, and what JSON cannot say is refused."""
    try:
        return decode(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BundleError(f"the description cannot be written as JSON: {error}") from error


def _shapes_only(bundle: Bundle) -> Network:
    """The network on the meta device: shapes and names, no memory, no random numbers drawn."""
    try:
        with torch.device("meta"):
            return build_network(bundle.network, bundle.tasks, **bundle.network_arguments)
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        # The arguments come from a file: whatever torch makes of a wrong one ends here.
        reason = str(error).splitlines()[0]
        raise BundleError(f"its network cannot be built: {reason}") from error


def _trained(network: Network) -> dict[str, Tensor]:
    """What a bundle keeps of a network: all but the counters of batch norms in training."""
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def _fill(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Give a network without memory its weights."""
    _check_finite(tensors)
    state = {name: torch.zeros_like(t, device="cpu") for name, t in network.state_dict().items()}
    state |= {name: tensor.float() for name, tensor in tensors.items()}
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)


def _check_size(path: Path, limit: int) -> None:
    """Refuse what is no file, too: reading a pipe waits for ever, and a device has no end."""
    if path.exists() and not path.is_file():
        raise BundleError("this is no file; get the complete bundle again")
    size = path.stat().st_size
    if size > limit:
        raise BundleError(f"{size} bytes are more than the limit of {limit}; this is no such file")


def _check_header(path: Path, bundle: Bundle, expected: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and types; no tensor is read."""
    dtype = _SAFETENSORS_DTYPES[bundle.weights_dtype]
    with safe_open(path, framework="pt") as file:
        entries = {name: file.get_slice(name) for name in file.keys()}
        _check_shapes(
            {name: entry.get_shape() for name, entry in entries.items()},
            {name: list(tensor.shape) for name, tensor in expected.items()},
        )
        for name, entry in entries.items():
            if entry.get_dtype() != dtype:
                raise BundleError(
                    f"weight {name} is {entry.get_dtype()}, but {DESCRIPTION_FILE} says {dtype}"
                )


def _check_shapes(found: Mapping[str, list[int]], expected: Mapping[str, list[int]]) -> None:
    wrong = sorted(name for name in {**found, **expected} if found.get(name) != expected.get(name))
    if wrong:
        shapes = [str(shapes.get(wrong[0], "missing")) for shapes in (found, expected)]
        raise BundleError(
            f"{len(wrong)} weights do not fit the network in {DESCRIPTION_FILE}; the first is "
            f"{wrong[0]}: here {shapes[0]}, in the network {shapes[1]}"
        )


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise BundleError(f"weight {name} is not finite in {str(tensor.dtype)[6:]}")


def _check_hash(path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise BundleError(
            f"its sha256 is not the one in {DESCRIPTION_FILE}; it is damaged or of another "
            "version, get the complete bundle again"
        )
