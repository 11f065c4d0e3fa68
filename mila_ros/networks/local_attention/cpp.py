# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C++ operator for CPUs: compiled here for this processor, kept in the user's cache.

The compiler is run directly and not through ``torch.utils.cpp_extension.load``: that one needs
ninja and Python's headers, and its lock is a file that stays, and then blocks everybody, when a
build is killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "local_attention.cpp"
COMPILER_SECONDS = 600

_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_loaded = False
_looked = False  # in the cache
_reason: str | None = None  # why building failed; it is tried once in a process
_definitions: Any = None  # the operators exist for as long as this does


def covers(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the operator computes with these maps."""
    kinds = {query.dtype, key.dtype, value.dtype}
    devices = {query.device.type, key.device.type, value.device.type}
    return (
        devices == {"cpu"}
        and len(kinds) == 1
        and kinds <= {torch.float32, torch.bfloat16, torch.float64}
    )


def attention(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Local attention of maps that have been checked; differentiable once.

    Args:
        query, key: [B, Cq, H, W].
        value: [B, C, H, W], of the same dtype.
        window: L, odd, at most 15.

    Returns:
        [B, C, H, W], channels_last, in the dtype of ``value``.
    """
    result: Tensor = torch.ops.mila_ros.local_attention_cpp(query, key, value, window)
    return result


def load(build: bool) -> str | None:
    """Load the operator into this process, from the cache or by compiling it.

    Args:
        build: Whether to compile it when it is not in the cache.

    Returns:
        None when it is there, else why not, in a sentence. The sentence is also logged, once.
    """
    if not _settled(build):
        with _lock:
            if not _settled(build):
                _try(build)
    if _loaded:
        return None
    return _reason or "the C++ local attention has not been compiled yet"


def _settled(build: bool) -> bool:
    """Whether there is nothing to be tried any more."""
    return _loaded or _reason is not None or (_looked and not build)


def _try(build: bool) -> None:
    global _looked, _loaded, _reason
    _looked = True
    try:
        library = _library()
        if build and not library.is_file():
            _build(library)
        if library.is_file():
            _define()
            torch.ops.load_library(str(library))
            _loaded = True
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        _reason = f"local attention goes on without its C++ operator: {error}"
        _logger.warning("%s", _reason)


def _compiler() -> list[str]:
    """The command of the compiler.

    Raises:
        RuntimeError: When there is none, or torch is too old.
    """
    if not hasattr(torch.library, "register_autograd"):
        raise RuntimeError(f"it needs torch 2.4, and this is {torch.__version__}")
    command = shlex.split(os.environ.get("CXX", "c++"))
    if not command or shutil.which(command[0]) is None:
        raise RuntimeError(
            f"there is no C++ compiler {' '.join(command)!r} here; install g++, or name one in CXX"
        )
    return command


def _flags() -> list[str]:
    return [
        *("-std=c++20", "-O3", "-shared", "-fPIC", "-fopenmp", "-w"),
        "-mcpu=native" if platform.machine() == "aarch64" else "-march=native",
        *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
    ]


def _library() -> Path:
    """Where the library for this source, torch and processor lies, or will lie."""
    parts = [path.read_bytes() for path in (SOURCE, *sorted(FOLDER.glob("*.h")))]
    parts += [" ".join(_flags()).encode(), torch.__version__.encode()]
    parts.append(os.environ.get("CXX", "").encode())
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        cpuinfo = [platform.processor()]
    features = ("flags", "Features", "model name", "CPU part")  # a cache may be shared by machines
    parts += sorted({line.encode() for line in cpuinfo if line.startswith(features)})
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mila_ros" / f"local_attention-{digest}.so"


def _build(library: Path) -> None:
    """Compile, unless another process does; then wait for it.

    Raises:
        OSError, RuntimeError, subprocess.SubprocessError: When it does not work.
    """
    from torch.utils.cpp_extension import include_paths, library_paths

    compiler = _compiler()
    library.parent.mkdir(parents=True, exist_ok=True)
    with library.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the system drops it with the process that held it
        if library.is_file():
            return
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            command = [*compiler, *_flags(), str(SOURCE), "-o", str(made)]
            command += [f"-I{path}" for path in include_paths()]
            command += [f"-L{path}" for path in library_paths()]
            command += ["-ltorch", "-ltorch_cpu", "-lc10"]
            _logger.info("compiling local attention for this processor, once")
            result = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=COMPILER_SECONDS
            )
            if result.returncode:
                lines = [line for line in result.stderr.splitlines() if "error" in line]
                cause = (lines or result.stderr.splitlines() or ["no message"])[0].strip()
                raise RuntimeError(f"{compiler[0]} failed: {cause[:300]}")
            made.replace(library)


def _define() -> None:
    global _definitions
    if _definitions is not None:
        return
    definitions = torch.library.Library("mila_ros", "FRAGMENT")
    maps = "Tensor query, Tensor key, Tensor value, int window"
    definitions.define(f"local_attention_cpp({maps}) -> Tensor")
    definitions.define(
        f"local_attention_cpp_backward(Tensor gradient, {maps}) -> (Tensor, Tensor, Tensor)"
    )

    @torch.library.register_fake("mila_ros::local_attention_cpp", lib=definitions)
    def _(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
        return torch.empty_like(value, memory_format=torch.channels_last)

    @torch.library.register_fake("mila_ros::local_attention_cpp_backward", lib=definitions)
    def _(
        gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, window: int
    ) -> tuple[Tensor, ...]:
        maps = (query, key, value)
        return tuple(torch.empty_like(t, memory_format=torch.channels_last) for t in maps)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *maps, ctx.window = inputs
        ctx.save_for_backward(*maps)

    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        operator = torch.ops.mila_ros.local_attention_cpp_backward
        return (*operator(gradient, *ctx.saved_tensors, ctx.window), None)

    torch.library.register_autograd(
        "mila_ros::local_attention_cpp", backward, setup_context=keep, lib=definitions
    )
    _definitions = definitions
