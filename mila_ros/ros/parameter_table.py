# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the perception node, written down once; needs no ROS.

`parameters` declares and reads them and holds their rules; `parameter_docs` makes the
documentation of this table. ``config/perception.yaml`` repeats names and defaults; a test holds
the two together.
"""

from __future__ import annotations

from mila_ros.ros.parameter_spec import Change, ParameterSpec

PARAMETERS = (
    ParameterSpec(
        "model",
        "mila_street",
        "Model bundle: a name under share/mila_ros/models or the path of a folder with a "
        "model.json.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "device",
        "auto",
        "Where the network runs: auto (CUDA where there is one, else the CPU), cpu, cuda or "
        "cuda:N. With cuda the node refuses to configure where there is none.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "precision",
        "auto",
        "Number format of the network: fp32, bf16, fp16, or auto, which on a CPU measures when the "
        "model is loaded and takes bf16 where it is clearly faster, and on a GPU is fp32. Which "
        "there are depends on the engine.",
        Change.UNCONFIGURED,
        choices=("auto", "fp32", "bf16", "fp16"),
    ),
    ParameterSpec(
        "engine",
        "eager",
        "What runs the network: eager is PyTorch as it is; the others compile, which takes longer "
        "to configure, and some are packages of their own. auto is openvino on a CPU where that is "
        "installed, else eager.",
        Change.UNCONFIGURED,
        choices=(
            "auto",
            "eager",
            "compile",
            "openvino",
            "onnxruntime",
            "cuda_graphs",
            "tensorrt",
        ),
    ),
    ParameterSpec(
        "cpu_threads",
        0,
        "Threads of the network on the CPU; 0 leaves the choice to torch.",
        Change.UNCONFIGURED,
        0,
        1024,
    ),
    ParameterSpec(
        "cameras",
        [""],
        "Names of the cameras, each with topics under ~/NAME/; one empty name is a single camera "
        "with topics directly under ~/.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "image_sizes",
        [""],
        "Sizes of the images, WIDTHxHEIGHT, for which the engine compiles while the node is "
        "configured; others are compiled for when they come, and frames wait. Empty is the "
        "model's own size.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "max_batch_size",
        1,
        "Frames of different cameras that are computed at once when they wait together; no frame "
        "waits for others. 1 computes one after the other.",
        Change.UNCONFIGURED,
        1,
        64,
    ),
    ParameterSpec(
        "image_transport",
        "raw",
        "raw subscribes to sensor_msgs/Image on ~/input/image, compressed to "
        "sensor_msgs/CompressedImage (JPEG or PNG) on ~/input/image/compressed.",
        Change.UNCONFIGURED,
        choices=("raw", "compressed"),
    ),
    ParameterSpec(
        "autostart",
        True,
        "Configure and activate when the node starts; false leaves that to a lifecycle manager.",
        Change.START,
    ),
    ParameterSpec(
        "keyframe_policy",
        "timer",
        "When the slow network runs: timer (every keyframe_period_s on the ROS clock), every (each "
        "keyframe_every-th frame) or adaptive (after a frame whose evidence is below "
        "keyframe_evidence).",
        choices=("timer", "every", "adaptive"),
    ),
    ParameterSpec(
        "keyframe_period_s",
        0.5,
        "Seconds between a camera's keyframes with the policy timer; not over keyframe_max_age_s.",
        minimum=0.02,
        maximum=60.0,
    ),
    ParameterSpec(
        "keyframe_every",
        5,
        "Frames from one keyframe of a camera to the next with the policy every.",
        minimum=1,
        maximum=1000,
    ),
    ParameterSpec(
        "keyframe_evidence",
        0.97,
        "How much the keyframe must explain of a frame with the policy adaptive, against what it "
        "explained at first; more makes more keyframes.",
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "keyframe_max_age_s",
        2.0,
        "A frame whose keyframe is older than this is made a keyframe whatever the policy says.",
        minimum=0.02,
        maximum=600.0,
    ),
    ParameterSpec(
        "keyframe_mode",
        "blocking",
        "How the slow network runs: blocking (it answers the keyframes, which take longer) or "
        "concurrent (every frame is answered by the fast network, and what the slow one makes of a "
        "keyframe beside them is used from the next frame on).",
        Change.UNCONFIGURED,
        choices=("blocking", "concurrent"),
    ),
    ParameterSpec(
        "keyframe_threads",
        0,
        "Threads of the slow network on the CPU when it is concurrent; 0 takes half of the fast "
        "one's.",
        Change.UNCONFIGURED,
        0,
        1024,
    ),
    ParameterSpec(
        "max_gap_s",
        1.0,
        "A longer gap between the stamps of two frames starts the camera's stream afresh.",
        Change.UNCONFIGURED,
        0.01,
        600.0,
    ),
    ParameterSpec(
        "max_image_pixels",
        50_000_000,
        "Larger images, raw or once decoded, are refused.",
        minimum=1,
        maximum=1_000_000_000,
    ),
    ParameterSpec(
        "image_timeout_s",
        3.0,
        "After so long without an image the node says which topic it listens to, who publishes "
        "there and with what QoS.",
        minimum=0.1,
        maximum=3600.0,
    ),
    ParameterSpec(
        "segmentation.overlay_alpha",
        0.5,
        "Weight of the class colours in ~/segmentation/overlay, 0 being the image alone.",
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "depth.focal_length_px",
        0.0,
        "Focal length (fx) of the input images in pixels, which scales the depth; 0 takes it from "
        "~/input/camera_info, and the model's assumed field of view where that is missing too.",
        minimum=0.0,
        maximum=1e6,
    ),
    ParameterSpec(
        "depth.encoding",
        "32FC1",
        "32FC1 offers the depth in metres on ~/depth/image alone, 16UC1 in millimetres on "
        "~/depth/image_raw as well, which takes half the bandwidth.",
        Change.UNCONFIGURED,
        choices=("32FC1", "16UC1"),
    ),
    ParameterSpec(
        "depth.points_stride",
        1,
        "~/depth/points has a point for each pixel of every so-many-th row and column.",
        minimum=1,
        maximum=64,
    ),
    ParameterSpec(
        "diagnostics.period_s",
        1.0,
        "Seconds between two messages on /diagnostics.",
        Change.START,
        0.05,
        60.0,
    ),
    ParameterSpec(
        "diagnostics.max_allowed_processing_time_ms",
        0.0,
        "A frame that takes longer is a warning on /diagnostics; 0 sets no limit.",
        minimum=0.0,
        maximum=1e6,
    ),
    ParameterSpec(
        "diagnostics.max_acceptable_consecutive_delay_ms",
        1000.0,
        "When all frames of so many milliseconds have taken longer, it is an error.",
        minimum=0.0,
        maximum=1e6,
    ),
)
