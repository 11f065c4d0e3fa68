# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of ``camera`` and ``recorder``; needs no ROS."""

from __future__ import annotations

from mila_ros.ros.parameter_spec import Change, ParameterSpec

CAMERA_PARAMETERS = (
    ParameterSpec(
        "source",
        "",
        "What to publish: a folder of images, a clip folder, a video file, a webcam "
        "(/dev/video0) or a bag (rosbag2 or ROS 1).",
        Change.START,
    ),
    ParameterSpec(
        "topic",
        "",
        "For a bag, the image topic to read; may be empty where the bag has only one.",
        Change.START,
    ),
    ParameterSpec(
        "transport",
        "raw",
        "raw publishes sensor_msgs/Image on image_raw, compressed sensor_msgs/CompressedImage on "
        "image_raw/compressed; JPEG and PNG files then go out as they are.",
        Change.START,
        choices=("raw", "compressed"),
    ),
    ParameterSpec(
        "encoding", "rgb8", "Encoding of raw images.", Change.START, choices=("rgb8", "bgr8")
    ),
    ParameterSpec(
        "jpeg_quality",
        90,
        "Quality of compressed images that are not files already.",
        Change.START,
        1,
        100,
    ),
    ParameterSpec(
        "rate",
        0.0,
        "Frames a second; 0 keeps the source's own rate, or the recorded times of a bag.",
        Change.START,
        0.0,
        1000.0,
    ),
    ParameterSpec("loop", False, "Start again at the end of the source.", Change.START),
    ParameterSpec(
        "frame_id",
        "",
        "frame_id of the headers; empty takes the source's own, else camera_optical.",
        Change.START,
    ),
    ParameterSpec(
        "stamps",
        "now",
        "now stamps with the node's clock when a frame is published; original keeps the stamps "
        "of a bag or clip, which start again with every loop.",
        Change.START,
        choices=("now", "original"),
    ),
    ParameterSpec(
        "wait_for_subscribers",
        0,
        "Publish nothing before so many subscriptions have matched the image topic.",
        Change.START,
        0,
        100,
    ),
    ParameterSpec(
        "start_delay",
        0.0,
        "Seconds to wait after that and before the first frame.",
        Change.START,
        0.0,
        3600.0,
    ),
)

RECORDER_PARAMETERS = (
    ParameterSpec(
        "output",
        "recording",
        "Folder for the bag, the pictures and summary.json; must hold neither bag nor summary.",
        Change.START,
    ),
    ParameterSpec(
        "perception",
        "mila",
        "Name of the perception node, or of its camera: mila/front.",
        Change.START,
    ),
    ParameterSpec(
        "model",
        "",
        "Model bundle of the perception node, for the colours and names of classes.",
        Change.START,
    ),
    ParameterSpec(
        "transport",
        "raw",
        "raw subscribes to sensor_msgs/Image on image_raw, compressed to "
        "sensor_msgs/CompressedImage on image_raw/compressed.",
        Change.START,
        choices=("raw", "compressed"),
    ),
    ParameterSpec("bag", True, "Write a bag.", Change.START),
    ParameterSpec(
        "picture_period_s",
        1.0,
        "Seconds between two pictures; 0 draws none.",
        Change.START,
        0.0,
        3600.0,
    ),
    ParameterSpec(
        "report",
        "text",
        "What is printed once a second.",
        Change.START,
        choices=("text", "json", "none"),
    ),
)
