# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A plain trainer: labelled clip folders in, a model bundle's weights out, on one machine.

    python -m mila_ros.training.plain --clips CLIPS --out WORK --steps 12000

All losses at once from random weights, with MILA's L1 alignment; resumes from WORK/last.pt.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..networks import MILA, State, build_network
from ..tasks import DEPTH, MOTION, SEGMENTATION
from .losses import alignment_loss, log_depth_loss, motion_loss, segmentation_loss
from .samples import Batch, Sampler, class_weights, load_clips

CLASSES = 11  # CamVid's, in its order
SKY = 0
TASKS = (SEGMENTATION.with_channels(CLASSES), DEPTH, MOTION)
CANONICAL_FOCAL_PX = 300.0
FAR_M = 150.0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NETWORK: dict[str, Any] = {
    "slow": "resnet34",
    "fast": "resnet18",
    "slow_width": 32,
    "fast_width": 16,
    "ceil_mode": False,
    "channels": 96,
    "decoder_channels": [64, 48],
    "attention_channels": 16,
    "window": 5,
}


def losses(network: MILA, batch: Batch, weights: Tensor, first: bool) -> dict[str, Tensor]:
    """All losses of one batch, by name.

    The keyframe's own output and the current frame's are supervised; ``first`` trains the start
    of a stream, where earlier frames are missing.
    """
    mean, std = (torch.tensor(v).view(1, 1, 3, 1, 1) for v in (MEAN, STD))
    before, key, last, current = ((batch.image - mean) / std).unbind(0)
    size = len(key)
    slow = network.encode(key.contiguous(memory_format=torch.channels_last), True)
    frames = torch.cat([before, last, current, key])
    fast = network.encode(frames.contiguous(memory_format=torch.channels_last), False)
    fast_before, fast_last, fast_current, fast_key = fast.split(size)

    def sources(features: Tensor) -> dict[str, Any]:
        return {name: branch.source(features) for name, branch in network.branches.items()}

    earlier = State() if first else State(last=sources(fast_before))
    key_logits, state = network.decode(slow, earlier, keyframe=True)
    between = State(key=state.key, last={} if first else sources(fast_last))
    current_logits, _ = network.decode(fast_current, between, keyframe=False)
    total: dict[str, Tensor] = {"alignment": alignment_loss(slow, fast_key)}
    for role, logits in ((1, key_logits), (3, current_logits)):
        label, depth, motion = batch.label[role], batch.depth[role], batch.motion[role]
        full = {
            name: nn.functional.interpolate(
                low.float(), label.shape[1:], mode="bilinear", align_corners=False
            )
            for name, low in logits.items()
        }
        kind = "key" if role == 1 else "nonkey"
        total[f"segmentation_{kind}"] = segmentation_loss(full["segmentation"], label, weights)
        total[f"depth_{kind}"] = log_depth_loss(full["depth"], depth, label == SKY, FAR_M)
        total[f"motion_{kind}"] = motion_loss(full["motion"], motion)
    return total


def learning_rate(step: int, steps: int, peak: float, warm_up: float = 0.05) -> float:
    """Linear warm-up over a share of the steps, then half a cosine to zero."""
    done = (step + 1) / steps
    if done < warm_up:
        return peak * done / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def train(arguments: argparse.Namespace) -> None:
    """Train, printing a line every 50 steps; a resumed run equals an uninterrupted one."""
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    clips = load_clips(arguments.clips)
    if not clips:
        raise SystemExit(f"no clip folders with a camera.json under {arguments.clips}")
    weights = class_weights(clips, CLASSES)
    print(
        f"{len(clips)} clips, class weights {[round(w, 2) for w in weights.tolist()]}", flush=True
    )
    network = build_network("mila", TASKS, **NETWORK).to(memory_format=torch.channels_last)
    with torch.no_grad():  # start at a plausible depth, not at a metre
        head = network.branches["depth"].heads["depth"][-1]
        head.bias.fill_(math.log(15.0))
    optimizer = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=1e-4)
    start, checkpoint = 0, arguments.out / "last.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
    sampler = Sampler(clips, arguments.batch, (192, 384), CANONICAL_FOCAL_PX, arguments.seed)
    network.train()
    clock, seen = time.monotonic(), 0
    mean: dict[str, float] = {}
    batches = sampler.batches(start)
    for step in range(start, arguments.steps):
        batch = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            parts = losses(network, batch, weights, first=step % 8 == 0)
        loss = sum(parts.values(), start=torch.zeros(()))
        if not torch.isfinite(loss):
            raise SystemExit(
                f"the loss of step {step} is not finite; start again from {checkpoint}"
            )
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, arguments.steps, arguments.rate)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        seen += arguments.batch
        for name, part in parts.items():
            mean[name] = 0.98 * mean.get(name, part.item()) + 0.02 * part.item()
        if (step + 1) % 50 == 0:
            line = {"step": step + 1, "samples_per_s": round(seen / (time.monotonic() - clock), 2)}
            line |= {name: round(value, 4) for name, value in mean.items()}
            print(json.dumps(line), flush=True)
            with (arguments.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if (step + 1) % arguments.save_every == 0 or step + 1 == arguments.steps:
            state = {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").rename(checkpoint)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of labelled clip folders")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint and log go here")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--save-every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast, where the CPU has it")
    train(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
