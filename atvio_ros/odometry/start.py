"""Where odometry starts: a pose and how far it may be off, checked before anything is reset to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import nearest_rotation
from atvio_ros.types import FloatArray


@dataclass(frozen=True)
class Start:
    """A pose of base_link in odom and its covariance; without arguments the origin, known exactly.

    Raises SettingsError where they are no pose and no covariance.
    """

    T_odom_base: FloatArray = field(default_factory=lambda: np.eye(4))  # (4, 4)
    pose_covariance: FloatArray = field(default_factory=lambda: np.zeros((6, 6)))  # as in OdometryEstimate

    def __post_init__(self) -> None:
        object.__setattr__(self, 'T_odom_base', _checked_pose(self.T_odom_base))
        object.__setattr__(self, 'pose_covariance', _checked_covariance(self.pose_covariance))


def _checked_pose(T: FloatArray) -> FloatArray:
    T = np.array(T, dtype=np.float64)
    if T.shape != (4, 4) or not np.isfinite(T).all() or not np.allclose(T[3], [0.0, 0.0, 0.0, 1.0]):
        raise SettingsError('The pose to reset to must be a finite 4x4 matrix whose last row is 0 0 0 1.')
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0.0:
        raise SettingsError('The pose to reset to holds no rotation: give a quaternion of length 1.')
    T[:3, :3] = nearest_rotation(R)
    return T


def _checked_covariance(covariance: FloatArray) -> FloatArray:
    covariance = np.array(covariance, dtype=np.float64)
    if covariance.shape != (6, 6) or not np.isfinite(covariance).all():
        raise SettingsError('The covariance of the pose to reset to must be a finite 6x6 matrix.')
    covariance = 0.5 * (covariance + covariance.T)
    if np.linalg.eigvalsh(covariance).min() < -1e-9 * max(1.0, float(np.trace(covariance))):
        raise SettingsError('The covariance of the pose to reset to has a negative variance along some direction.')
    return covariance
