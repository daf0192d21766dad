"""Motions of a robot and of the camera on it, for the tests of the engine."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import R_BODY_OPTICAL, inverse, skew, transform
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.types import OdometryEstimate
from samples.streams import MS, START_NS, pair

LOOKING_FORWARD = transform(R_BODY_OPTICAL, np.zeros(3))


def turn(axis: str, angle: float) -> np.ndarray:
    return transform(Rotation.from_euler(axis, angle).as_matrix(), np.zeros(3))


def seen_by_camera(T_base_motion: np.ndarray, T_base_camera: np.ndarray) -> np.ndarray:
    """The camera's own motion while base_link moves so: from the poses of both, by the definition of a pose."""
    T_world_camera_before = T_base_camera
    T_world_camera_after = T_base_motion @ T_base_camera
    return inverse(T_world_camera_before) @ T_world_camera_after


def moved_for(twist: np.ndarray, seconds: float) -> np.ndarray:
    """Pose after a constant twist (v, w) in the moving frame."""
    matrix = np.zeros((4, 4))
    matrix[:3, :3], matrix[:3, 3] = skew(twist[3:]), twist[:3]
    return expm(seconds * matrix)


def one_pair(engine: OdometryEngine) -> OdometryEstimate:
    """What the engine makes of a pair of images 0.1 s apart, the same pair at every call."""
    return engine.process(pair(START_NS, START_NS + 100 * MS))
