# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of ``player`` and ``evaluator``, all of them read once, at the start."""

from __future__ import annotations

from mila_ros.ros.parameter_spec import Change, ParameterSpec

PLAYER_PARAMETERS = (
    ParameterSpec("bag", "", "The bag to play: a rosbag2 folder or file.", Change.START),
    ParameterSpec(
        "topics",
        [""],
        "Topics to play; one empty name plays all whose types are installed.",
        Change.START,
    ),
    ParameterSpec(
        "rate", 1.0, "How many times as fast as it was recorded.", Change.START, 0.001, 1000.0
    ),
    ParameterSpec("loop", False, "Start again at the end; the clock goes back.", Change.START),
    ParameterSpec("clock", True, "Publish the bag's time on /clock.", Change.START),
    ParameterSpec(
        "wait_for",
        [""],
        "Play nothing before these topics have so many subscriptions, each as TOPIC:NUMBER; one "
        "empty name waits for none.",
        Change.START,
    ),
    ParameterSpec(
        "start_delay",
        0.0,
        "Seconds to wait after that and before the first message.",
        Change.START,
        0.0,
        3600.0,
    ),
)

EVALUATOR_PARAMETERS = (
    ParameterSpec(
        "output",
        "evaluation",
        "Folder for evaluation.json and the report; must hold no evaluation yet.",
        Change.START,
    ),
    ParameterSpec(
        "perception",
        "mila",
        "Name of the perception node, with its namespace if that is another.",
        Change.START,
    ),
    ParameterSpec(
        "camera",
        "",
        "Which of its cameras, empty for one without a name.",
        Change.START,
    ),
    ParameterSpec(
        "bag",
        "",
        "The bag that is played, if one is: /tf_static and the names of the masks' classes are "
        "read from it.",
        Change.START,
    ),
    ParameterSpec(
        "model",
        "mila_street",
        "Model bundle of the perception node, for the names of classes.",
        Change.START,
    ),
    ParameterSpec(
        "truth_classes",
        "",
        "Classes of ground_truth/segmentation/mask; empty takes what the bag says, else the "
        "model's own.",
        Change.START,
        choices=("", "cityscapes19", "cityscapes7", "camvid11", "nyu13", "nyu40"),
    ),
    ParameterSpec(
        "transport",
        "raw",
        "raw counts sensor_msgs/Image on image_raw, compressed sensor_msgs/CompressedImage on "
        "image_raw/compressed.",
        Change.START,
        choices=("raw", "compressed"),
    ),
    ParameterSpec(
        "depth_truth",
        "image",
        "image takes true depth from ground_truth/depth/image, points from the PointCloud2 on "
        "lidar/points, projected with camera_info.",
        Change.START,
        choices=("image", "points"),
    ),
    ParameterSpec(
        "lidar_to_camera",
        "",
        "What takes points of the LiDAR's frame to the camera's optical frame: 12 numbers with "
        "spaces between them, the rows of [R | t]. Empty takes it from /tf_static.",
        Change.START,
    ),
    ParameterSpec(
        "tolerance_s",
        0.0,
        "Most by which the stamp of a truth may differ from its image's.",
        Change.START,
        0.0,
        10.0,
    ),
    ParameterSpec(
        "max_depth_m", 50.0, "True depth beyond this is left out.", Change.START, 0.1, 1e6
    ),
    ParameterSpec(
        "end_after_s",
        5.0,
        "Seconds without any message after which the evaluation is complete; 0 waits for a signal.",
        Change.START,
        0.0,
        3600.0,
    ),
)
