"""Covariance of a pose made of many relative motions whose errors are partly correlated from one to the next."""

from __future__ import annotations

import copy

import numpy as np

from atvio_ros.geometry import rotation_angle, skew
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.types import FloatArray

# Standing still is exact to what it promises: 1 mm/s and 0.01 deg/s.
REST_SPEED = 1e-3  # m/s
REST_TURN_RATE = np.radians(0.01)  # rad/s

# What a robot that is not observed may do, beside going on as it did (one sigma).
UNSEEN_ACCELERATION = 1.0  # m/s^2
UNSEEN_TURN_RATE = 0.2  # rad/s
_LARGEST_ANGLE = np.pi  # an attitude cannot be more uncertain


class PoseUncertainty:
    """First-order covariance of a pose under MotionNoise.

    State: error of position [m] and of rotation about fixed axes [rad], both in odom, then the slow errors in
    base_link's axes: scale [1], creep [m/s], drift [rad/s]. Covariances stay symmetric and, from the first motion on,
    positive definite.
    """

    def __init__(self, noise: MotionNoise, pose_covariance: FloatArray | None = None) -> None:
        self._noise = noise
        self._slow_variances = noise.slow_variances
        self._P = np.zeros((15, 15))
        if pose_covariance is not None:
            self._P[:6, :6] = 0.5 * (pose_covariance + pose_covariance.T)
        self._P[6:, 6:] = np.diag(self._slow_variances)

    def copied(self) -> PoseUncertainty:
        """Another one in the same state."""
        twin = copy.copy(self)
        twin._P = self._P.copy()
        return twin

    @property
    def pose(self) -> FloatArray:
        """(6, 6) of x y z [m] and rotation about x y z [rad], in odom; a copy."""
        return np.array(self._P[:6, :6])

    def move(
        self,
        R_odom_base: FloatArray,
        T_base_motion: FloatArray,
        interval_s: float,
        more: FloatArray | None = None,
    ) -> FloatArray:
        """Follow one motion that begins at the attitude R_odom_base (3, 3); returns its own covariance (6, 6).

        `more` (6, 6), in base_link's axes, is what this motion alone errs beyond the noise.
        """
        distance_m = float(np.linalg.norm(T_base_motion[:3, 3]))
        angle_rad = float(rotation_angle(T_base_motion[:3, :3]))
        white = self._noise.white_variances(distance_m, angle_rad)
        B = np.zeros((6, 9))  # what the slow errors do to this motion
        B[:3, :3], B[:3, 3:6], B[3:, 6:] = distance_m * np.eye(3), interval_s * np.eye(3), interval_s * np.eye(3)
        G = np.zeros((6, 6))
        G[:3, :3] = G[3:, 3:] = R_odom_base
        F = np.eye(15)
        F[:3, 3:6] = -skew(R_odom_base @ T_base_motion[:3, 3])
        F[:6, 6:] = G @ B
        memory = self._noise.slow_memory(distance_m, interval_s)
        F[6:, 6:] = np.diag(memory)
        self._P = F @ self._P @ F.T
        own = np.diag(white) if more is None else np.diag(white) + more
        self._P[:6, :6] += G @ own @ G.T
        self._P[6:, 6:] += np.diag(self._slow_variances * (1.0 - memory**2))
        self._P = 0.5 * (self._P + self._P.T)
        return np.asarray(own + (B * self._slow_variances) @ B.T)

    def rest(self, interval_s: float) -> FloatArray:
        """Stand still for an interval; returns the covariance (6, 6) of that."""
        variances = (np.array([REST_SPEED] * 3 + [REST_TURN_RATE] * 3) * interval_s) ** 2
        self._P[:6, :6] += np.diag(variances)
        return np.diag(variances)

    def unseen(self, time_s: float, speed: float, turn_rate: float) -> None:
        """A time without odometry: add what it leaves unknown.

        `speed` [m/s] and `turn_rate` [rad/s] are those of the last motion observed: the pose does not follow them, so
        they are how far it may be off by now.
        """
        angle = min((turn_rate + UNSEEN_TURN_RATE) * time_s, _LARGEST_ANGLE)
        self._P[:6, :6] += np.diag([unseen_variance(time_s, speed)] * 3 + [angle**2] * 3)

    def unseen_position(self, before_s: float, after_s: float, speed: float) -> None:
        """A time without sight has grown from `before_s` to `after_s`; in pieces it adds as much as at once."""
        growth = unseen_variance(after_s, speed) - unseen_variance(before_s, speed)
        self._P[:3, :3] += growth * np.eye(3)

    def doubted_position(self, R_odom_base: FloatArray, covariance: FloatArray) -> None:
        """Add to the position a covariance (3, 3) [m^2] in base_link's axes at the attitude R_odom_base (3, 3)."""
        growth = R_odom_base @ covariance @ R_odom_base.T
        self._P[:3, :3] += 0.5 * (growth + growth.T)


def unseen_variance(time_s: float, speed: float) -> float:
    """Variance of the position [m^2] along each axis of a robot not observed for a time since it had that speed."""
    return float((speed * time_s + 0.5 * UNSEEN_ACCELERATION * time_s**2) ** 2)
