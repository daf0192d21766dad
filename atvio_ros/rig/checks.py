"""Checks on numbers that describe a robot. What is impossible is refused in one line that names the fix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.geometry import from_quaternion, nearest_rotation, transform
from atvio_ros.types import FloatArray

LOWEST_CAMERA_M, HIGHEST_CAMERA_M = 0.05, 10.0
FARTHEST_M = 1000.0  # of a sensor from the base: beyond, the numbers are millimetres or a place on the map


def finite(values: FloatArray | Sequence[float], shape: tuple[int, ...], name: str) -> FloatArray:
    """The values as an array of the shape. Raises CalibrationError on another count, NaN or infinity."""
    array = np.asarray(values, dtype=np.float64)
    if array.size != np.prod(shape):
        raise CalibrationError(f'{name} must have {np.prod(shape)} numbers, not {array.size}.')
    if not np.isfinite(array).all():
        raise CalibrationError(f'{name} holds NaN or infinity. Calibrate again, or leave it out.')
    return array.reshape(shape)


def pose(T: FloatArray, name: str) -> FloatArray:
    """A pose (4, 4) with an exact rotation. Raises CalibrationError where it is none, or kilometres away."""
    T = finite(T, (4, 4), name)
    R = nearest_rotation(T[:3, :3])
    if not np.allclose(T[3], (0, 0, 0, 1), atol=1e-6) or np.abs(R - T[:3, :3]).max() > 0.01:
        raise CalibrationError(
            f'{name} is not a pose: its left upper 3x3 must be a rotation, its last row 0 0 0 1. '
            'Copy the whole matrix from the calibration.'
        )
    _near(T[:3, 3], name)
    return transform(R, T[:3, 3])


def pose_from_numbers(numbers: Sequence[float], name: str) -> FloatArray:
    """Pose (4, 4) from x y z [m], qx qy qz qw. Raises CalibrationError where the quaternion is not of unit length."""
    if len(numbers) != 7:
        raise CalibrationError(f'{name} must have 7 numbers (x y z qx qy qz qw), not {len(numbers)}.')
    values = finite(numbers, (7,), name)
    length = float(np.linalg.norm(values[3:]))
    if abs(length - 1) > 0.01:
        raise CalibrationError(
            f'{name}: the quaternion (qx qy qz qw) has length {length:.3f}, it must be 1. '
            'Write x y z first, and w last; no rotation is 0 0 0 1.'
        )
    _near(values[:3], name)
    return transform(from_quaternion(*values[3:]), values[:3])


def height(metres: float, name: str) -> float:
    """A camera's height over the ground [m]. Raises CalibrationError outside 0.05 to 10 m."""
    if not LOWEST_CAMERA_M <= metres <= HIGHEST_CAMERA_M:  # NaN, too
        raise CalibrationError(
            f'{name} is {metres:g} m; a camera is {LOWEST_CAMERA_M:g} to {HIGHEST_CAMERA_M:g} m over the ground. '
            'Measure from the ground to the lens and set camera_height, or mend the transform of base_footprint.'
        )
    return float(metres)


def between(value: float, lowest: float, highest: float, unit: str, name: str) -> float:
    """The value. Raises CalibrationError outside the limits, or on NaN."""
    if not lowest <= value <= highest:
        raise CalibrationError(f'{name} is {value:g} {unit}; it must be {lowest:g} to {highest:g} {unit}.')
    return float(value)


def _near(position: FloatArray, name: str) -> None:
    distance = float(np.abs(position).max())  # its length would overflow where it matters most
    if distance > FARTHEST_M:
        raise CalibrationError(
            f'{name} is {distance:.4g} m away; sensors of a robot sit within {FARTHEST_M:.0f} m. Give metres.'
        )
