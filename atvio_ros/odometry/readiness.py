"""How far a robot is from those that an estimator was made for: what odometry says once, at its start."""

from __future__ import annotations

import numpy as np

from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FloatArray
from atvio_ros.view.level import nominal_level
from atvio_ros.view.road import nearest_road
from atvio_ros.view.virtual_camera import VirtualCamera

FARTHEST_ROAD_H = 4.5  # camera heights: the road should be in view from here on
LEAST_HEIGHT_RATIO, MOST_HEIGHT_RATIO = 0.5, 2.0  # of the camera's height to that of the training data
LEAST_COVERAGE = 0.7  # of the view that the network looks through


def coverage(camera: CameraModel, virtual: VirtualCamera, R_camera_view: FloatArray) -> float:
    """Share of a view that the camera sees, lens included."""
    rays = virtual.rays()[::2, ::2] @ R_camera_view.T
    return float(np.mean(camera.inside(camera.project(rays))))


def road_remark(rig: Rig) -> str | None:
    """Words where the road comes into view too far ahead, seen along the nominal direction; None where it does not."""
    near = nearest_road(rig.needed_camera, nominal_level(rig))
    if near <= FARTHEST_ROAD_H:
        return None
    where = f'from {near:.1f} camera heights ahead' if np.isfinite(near) else 'nowhere'
    return (
        f'the road comes into view {where}, it should from {FARTHEST_ROAD_H:g} on: tilt the camera down, take a wider '
        'lens, or check base_to_camera and the intrinsics'
    )


def training_remark(rig: Rig, virtual: VirtualCamera, R_level_view: FloatArray, trained_height: float) -> str | None:
    """Words where the robot is far from what a network was trained with; None where it is near.

    `virtual` is the camera that the network looks through, turned by `R_level_view` (3, 3) from the level axes.
    """
    ratio = rig.needed_height / trained_height
    seen = coverage(rig.needed_camera, virtual, nominal_level(rig) @ R_level_view)
    reasons = []
    if not LEAST_HEIGHT_RATIO <= ratio <= MOST_HEIGHT_RATIO:
        reasons.append(
            f'its camera is {rig.needed_height:.2f} m high, the training data were at {trained_height:.2f} m'
        )
    if seen < LEAST_COVERAGE:
        reasons.append(f'its camera sees {100 * seen:.0f} % of the view of the network')
    if not reasons:
        return None
    return (
        f'the robot is far from what the network was trained with: {" and ".join(reasons)}; compare with '
        'the estimator road, which needs no training, or train with such robots'
    )
