"""Where odometry starts: a pose and how far it may be off, checked before anything is reset to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from atvio_ros.errors import SettingsError
from atvio_ros.geometry import nearest_rotation
from atvio_ros.types import FloatArray

FARTHEST_M = 1e9  # from the origin: beyond, a float64 has no micrometres, and squares overflow far further out
LARGEST_VARIANCE = 1e9  # m^2 or rad^2
_LARGEST_ANGLE = np.pi  # rad, one sigma: an attitude cannot be less certain
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Start:
    """A pose of base_link in odom and its covariance; without arguments the origin, known exactly.

    An attitude less certain than half a turn is taken as that uncertain. Raises SettingsError where they are no pose
    and no covariance, or too large to reckon with.
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
    if np.abs(T[:3, 3]).max() > FARTHEST_M:
        raise SettingsError(f'The pose to reset to is more than {FARTHEST_M:.0e} m from the origin. Give metres.')
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0.0:
        raise SettingsError('The pose to reset to holds no rotation: give a quaternion of length 1.')
    T[:3, :3] = nearest_rotation(R)
    return T


def _checked_covariance(covariance: FloatArray) -> FloatArray:
    """The covariance (6, 6), symmetric and without a negative eigenvalue, no attitude less certain than half a turn."""
    P = np.array(covariance, dtype=np.float64)
    if P.shape != (6, 6) or not np.isfinite(P).all():
        raise SettingsError('The covariance of the pose to reset to must be a finite 6x6 matrix.')
    if np.abs(P).max() > LARGEST_VARIANCE:
        raise SettingsError(
            f'The covariance of the pose to reset to holds {np.abs(P).max():.3g}; a variance is at most '
            f'{LARGEST_VARIANCE:.0e}. For a position that is not known at all, give 1e6 m^2.'
        )
    P = 0.5 * (P + P.T)
    sigmas = np.sqrt(np.maximum(np.diag(P), 0.0))
    scale = np.where(sigmas > 0.0, sigmas, 1.0)
    values, vectors = np.linalg.eigh(P / np.outer(scale, scale))  # of the correlations: no unit outweighs another
    impossible = (np.diag(P) < 0.0).any() or values.min() < -_ROUNDING or P[sigmas == 0.0].any()
    if impossible:
        raise SettingsError(
            'The covariance of the pose to reset to has a negative variance along some direction.'
            ' Give one that is positive semidefinite.'
        )
    correlations = (vectors * np.maximum(values, 0.0)) @ vectors.T
    scale[3:] = np.minimum(scale[3:], _LARGEST_ANGLE)
    return np.asarray(correlations * np.outer(scale, scale))
