"""Level axes: z along the direction of travel, x level with the ground, y down. Rotations between them and cameras."""

from __future__ import annotations

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FloatArray


def level_rotation(direction: FloatArray, down: FloatArray) -> FloatArray:
    """R_camera_level (3, 3): the level axes seen from the camera.

    `direction` (3,) of travel and `down` (3,), both in the camera's optical axes, of any length. The camera's roll is
    taken out by `down`; its tilt and yaw by `direction`. Raises CalibrationError where the two are one.
    """
    z = direction / np.linalg.norm(direction)
    across = np.cross(down / np.linalg.norm(down), z)
    length = float(np.linalg.norm(across))
    if not length > 0.1:
        raise CalibrationError(
            'The direction of travel points up or down, so no view is level. Check base_to_camera and '
            'direction_of_travel.'
        )
    x = across / length
    return np.column_stack((x, np.cross(z, x), z))


def nominal_level(rig: Rig) -> FloatArray:
    """R_camera_level (3, 3) as the rig says it, before any image has shown the direction of travel."""
    return level_rotation(rig.expected_direction.vector, rig.down)


def derotated(R_previous_current: FloatArray, R_camera_level: FloatArray) -> FloatArray:
    """R_camera_level (3, 3) with which to draw the previous image, so that it is turned as the current one.

    `R_previous_current` (3, 3) is the gyro's rotation of the pair, in the camera's optical axes.
    """
    return R_previous_current @ R_camera_level


def camera_translation(
    t_level: FloatArray, unit: float, R_previous_current: FloatArray, R_camera_level: FloatArray
) -> FloatArray:
    """Translation (3,) [m] of the pair in the previous camera's axes, T_previous_current's.

    From `t_level` (3,) in the current level axes, in units of `unit` metres (the camera's height; 1 for metres).
    """
    return np.asarray(unit * (R_previous_current @ R_camera_level @ t_level))
