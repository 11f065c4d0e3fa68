# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the Triton kernels of local attention for GPUs that need not be here; count registers.

``python benchmarks/local_attention_triton.py --json local_attention_triton.json``

Ends with status 1 when a kernel spills registers or misses the tensor cores it should use.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mila_ros.networks.local_attention import triton_kernels as kernels

CAPABILITIES = (80, 86, 87, 89, 90, 100, 120)  # 87 is Orin's
TYPES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
MAPS = {"Q", "K", "V", "OUT", "G", "DQ", "DK", "DV"}
QUERY_CHANNELS, CHANNELS = 32, 512


def ptxas(capability: int) -> str:
    """Triton brings two; the second, for what the first does not know."""
    folder = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    tools = sorted(folder.glob("ptxas*"))
    return str(tools[-1] if capability >= 90 else tools[0])


def measure(kernel: triton.JITFunction, dtype: torch.dtype, window: int, capability: int) -> dict:
    sizes = kernels.configuration(window, dtype, backward=kernel is not kernels.forward_kernel)
    constants = {"CQ": QUERY_CHANNELS, "C": CHANNELS, **sizes}
    options = {"num_warps": constants.pop("num_warps")}
    if "BC" in kernel.arg_names:
        constants["BC"] = 64 if dtype == torch.float32 else 256
    signature, attributes = {}, {}
    for n, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = "constexpr"
        elif name in ("H", "W", "ACROSS"):
            signature[name] = "i32"
        else:
            signature[name] = "*" + (TYPES[dtype] if name in MAPS else "fp32")
            attributes[(n,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    ptx = compiled.asm["ptx"]
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        target = re.search(r"^\.target (\w+)", ptx, re.MULTILINE)[1]
        command = [ptxas(capability), "-v", f"--gpu-name={target}", file.name, "-o", "/dev/null"]
        log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {
        "kernel": kernel.__name__,
        "dtype": TYPES[dtype],
        "window": window,
        "capability": capability,
        "registers": int(re.search(r"Used (\d+) registers", log)[1]),
        "spill_bytes": sum(map(int, re.findall(r"(\d+) bytes spill", log))),
        "shared_bytes": compiled.metadata.shared,
        "tensor_cores": bool(re.search(r"mma\.sync|wgmma|tcgen05\.mma", ptx)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, nargs="+", default=[5, 15])
    parser.add_argument("--capabilities", type=int, nargs="+", default=CAPABILITIES)
    parser.add_argument("--types", nargs="+", default=list(TYPES.values()))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for capability in arguments.capabilities:
        for dtype in (t for t, name in TYPES.items() if name in arguments.types):
            for window in arguments.windows:
                for kernel in (
                    kernels.forward_kernel, kernels.query_kernel, kernels.source_kernel,
                ):  # fmt: skip
                    rows.append(measure(kernel, dtype, window, capability))
                    print(rows[-1], flush=True)
    if arguments.json:
        report = {
            "compiled_only": True,
            "triton": triton.__version__,
            "query_channels": QUERY_CHANNELS,
            "channels": CHANNELS,
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    bad = [r for r in rows if r["spill_bytes"] or (r["dtype"] != "fp32") != r["tensor_cores"]]
    for row in bad:
        print("not as it should be:", row, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
