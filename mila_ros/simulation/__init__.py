# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated streets and rooms: labelled video without end, made on MuJoCo.

::

    from mila_ros.simulation.simulator import Simulator

    with Simulator("street", seed=3, width=512, height=256, fps=10.0) as simulator:
        frame = simulator.frame(0)  # image, label, depth, motion, pose; .normals(), .flow()

`taxonomy` and `splits` need numpy alone; everything else needs ``mujoco`` and, to render, EGL or
OSMesa: see `engine`.
"""
