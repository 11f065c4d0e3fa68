# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every topic and service of the perception node, written down once; needs no ROS.

`outputs` says how the messages are made, `publishers` publishes them, `parameter_docs` makes the
documentation of these tables.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A topic or service.

    ``name`` is below ``~/`` for a single camera without a name and below ``~/CAMERA/`` for a
    named one; with ``~/`` or ``/`` in front of it, it is the node's own. ``task`` is what the
    model must have for it to be offered, empty where any model will do.
    """

    name: str
    type: str
    content: str
    task: str = ""


INPUTS = (
    Topic("input/image", "sensor_msgs/Image", "the camera's images, rectified for true depth"),
    Topic(
        "input/image/compressed",
        "sensor_msgs/CompressedImage",
        "the same as JPEG or PNG; instead of them, with `image_transport: compressed`",
    ),
    Topic(
        "input/camera_info",
        "sensor_msgs/CameraInfo",
        "its calibration, of which the latest is used; it scales the depth",
    ),
)

FRAME_OUTPUTS = (
    Topic(
        "segmentation/camera_info",
        "sensor_msgs/CameraInfo",
        "the calibration, scaled where it is of another size than the image",
        "segmentation",
    ),
    Topic(
        "segmentation/mask",
        "sensor_msgs/Image",
        "`mono8`: class ids at the input's size, 255 unlabelled",
        "segmentation",
    ),
    Topic(
        "segmentation/mask/compressed",
        "sensor_msgs/CompressedImage",
        "the mask as PNG, bit for bit",
        "segmentation",
    ),
    Topic(
        "segmentation/confidence",
        "sensor_msgs/Image",
        "`mono8`: probability of that class, 0 to 255",
        "segmentation",
    ),
    Topic(
        "segmentation/color",
        "sensor_msgs/Image",
        "`rgb8`: the mask in the colours of its classes",
        "segmentation",
    ),
    Topic(
        "segmentation/overlay",
        "sensor_msgs/Image",
        "`rgb8`: these colours over the image",
        "segmentation",
    ),
    Topic(
        "depth/camera_info",
        "sensor_msgs/CameraInfo",
        "as `segmentation/camera_info`",
        "depth",
    ),
    Topic(
        "depth/image",
        "sensor_msgs/Image",
        "`32FC1`: metres along the optical axis, NaN unknown, ±inf out of range (REP 117, 118)",
        "depth",
    ),
    Topic(
        "depth/image_raw",
        "sensor_msgs/Image",
        "`16UC1`: the same in millimetres, 0 unknown or not in 16 bits (REP 118); "
        "with `depth.encoding: 16UC1`",
        "depth",
    ),
    Topic(
        "depth/points",
        "sensor_msgs/PointCloud2",
        "x, y, z in metres and rgb for each pixel, as rows and columns of the image, NaN unknown; "
        "needs a calibration or `depth.focal_length_px`",
        "depth",
    ),
    Topic(
        "motion/camera_info", "sensor_msgs/CameraInfo", "as `segmentation/camera_info`", "motion"
    ),
    Topic(
        "motion/mask",
        "sensor_msgs/Image",
        "`mono8`: 255 where something moves by itself, else 0",
        "motion",
    ),
    Topic(
        "motion/mask/compressed",
        "sensor_msgs/CompressedImage",
        "the mask as PNG, bit for bit",
        "motion",
    ),
)
"""The outputs of a frame, in the order in which they are published."""

KEYFRAME = Topic(
    "keyframe", "std_msgs/Header", "the header of each frame that ran the slow network"
)
LABEL_INFO = Topic(
    "segmentation/label_info",
    "vision_msgs/LabelInfo",
    "names of the classes, kept for who subscribes later; where vision_msgs is installed",
    "segmentation",
)

STAGES = ("convert", "preprocess", "network", "postprocess", "publish")
"""What the time of a frame is made of, one after the other."""

_STAGE_CONTENT = {
    "convert": "message to rgb, with decoding",
    "preprocess": "to the device, resized and normalised",
    "network": "the network",
    "postprocess": "maps at the input's size",
    "publish": "messages made and published",
}
TIMINGS = (
    Topic(
        "debug/processing_time_ms",
        "std_msgs/Float64",
        "from the worker taking the frame to its outputs being published",
    ),
    Topic("debug/cyclic_time_ms", "std_msgs/Float64", "from the frame before it being published"),
    Topic(
        "debug/pipeline_latency_ms",
        "std_msgs/Float64",
        "publication minus header stamp; not where the stamps are of another clock",
    ),
    *(
        Topic(f"debug/stage/{stage}_ms", "std_msgs/Float64", _STAGE_CONTENT[stage])
        for stage in STAGES
    ),
)
"""Milliseconds of each frame that ran the network, after its outputs."""

DIAGNOSTICS = Topic(
    "/diagnostics",
    "diagnostic_msgs/DiagnosticArray",
    "a state per camera with rate, drops and resets by cause; percentiles of the stages; keyframes "
    "wanted and achieved; the model",
)
ENABLE = Topic(
    "~/enable",
    "std_srvs/SetBool",
    "false stops and true resumes the subscriptions of an active node, the model staying loaded",
)

OF_EACH_CAMERA = (*INPUTS, *FRAME_OUTPUTS, LABEL_INFO, KEYFRAME, *TIMINGS)

RESERVED_NAMES = tuple(
    dict.fromkeys(
        topic.name.removeprefix("~/").partition("/")[0] for topic in (*OF_EACH_CAMERA, ENABLE)
    )
)
"""What a camera cannot be called, because it is a topic, service or their folder."""
