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


def _image(name: str, content: str) -> Topic:
    return Topic(name, "sensor_msgs/Image", content, name.partition("/")[0])


def _png(task: str) -> Topic:
    content = "the mask as PNG, bit for bit"
    return Topic(f"{task}/mask/compressed", "sensor_msgs/CompressedImage", content, task)


def _info(task: str, content: str = "as `segmentation/camera_info`") -> Topic:
    return Topic(f"{task}/camera_info", "sensor_msgs/CameraInfo", content, task)


FRAME_OUTPUTS = (
    _info("segmentation", "the calibration, scaled where it is of another size than the image"),
    _image("segmentation/mask", "`mono8`: class ids at the input's size, 255 unlabelled"),
    _png("segmentation"),
    _image("segmentation/confidence", "`mono8`: probability of that class, 0 to 255"),
    _image("segmentation/color", "`rgb8`: the mask in the colours of its classes"),
    _image("segmentation/overlay", "`rgb8`: these colours over the image"),
    _info("depth"),
    _image(
        "depth/image",
        "`32FC1`: metres along the optical axis, NaN unknown, ±inf out of range (REP 117, 118)",
    ),
    _image(
        "depth/image_raw",
        "`16UC1`: the same in millimetres, 0 unknown or not in 16 bits (REP 118); "
        "with `depth.encoding: 16UC1`",
    ),
    Topic(
        "depth/points",
        "sensor_msgs/PointCloud2",
        "x, y, z in metres and rgb for each pixel, as rows and columns of the image, NaN unknown; "
        "needs a calibration or `depth.focal_length_px`",
        "depth",
    ),
    _info("motion"),
    _image("motion/mask", "`mono8`: 255 where something moves by itself, else 0"),
    _png("motion"),
    _info("normals"),
    _image(
        "normals/image",
        "`32FC3`: x, y, z of the surface's unit normal in the camera's frame, in the axes that the "
        "model was taught; NaN unknown",
    ),
    _info("edges"),
    _image("edges/image", "`mono8`: probability of an edge, 0 to 255"),
    _info("saliency"),
    _image("saliency/mask", "`mono8`: probability of what catches the eye, 0 to 255"),
    _info("human_parts"),
    _image(
        "human_parts/mask",
        "`mono8`: 0 background, 1 head, 2 torso, 3 upper arm, 4 lower arm, 5 upper leg, "
        "6 lower leg, 255 unknown",
    ),
    _png("human_parts"),
)
"""The outputs of a frame, in the order in which they are published."""

KEYFRAME = Topic(
    "keyframe",
    "std_msgs/Header",
    "the header of each frame that the slow network saw, when what it made of it comes into use",
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
