"""Frame pairs to odometry: camera motion, extrinsics, composition. The node and the offline runner share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from atvio_ros.errors import ModelError
from atvio_ros.geometry import inverse, logarithm, nearest_rotation, skew
from atvio_ros.types import FloatArray, FramePair, OdometryEstimate, RelativeMotion


class MotionEstimator(Protocol):
    """Whatever tells the camera's motion over a frame pair; the network is one (estimator.NetworkEstimator)."""

    def predict(self, pair: FramePair) -> RelativeMotion:
        """Motion over one pair, given those before it."""

    def reset(self) -> None:
        """Forget the pairs before."""


@dataclass(frozen=True)
class MotionNoise:
    """Standard deviation of one relative motion: a share of the distance plus a floor, the same on all axes."""

    translation_share: float = 0.05  # of the distance moved
    translation_floor_m: float = 0.01
    rotation_floor_rad: float = 0.002

    def covariance(self, distance_m: float) -> FloatArray:
        """(6, 6) covariance of translation [m] and rotation [rad] of one motion."""
        sigma_t = self.translation_floor_m + self.translation_share * distance_m
        return np.diag([sigma_t**2] * 3 + [self.rotation_floor_rad**2] * 3)


class OdometryEngine:
    """Composes relative camera motions into the pose of base_link in odom.

    `T_base_camera` is the pose of the optical camera frame in base_link. Odometry starts at identity. A pair that does
    not continue the one before (start, gap, time jump) clears the estimator's memory; the pose goes on from the last.
    """

    def __init__(self, estimator: MotionEstimator, T_base_camera: FloatArray, noise: MotionNoise | None = None) -> None:
        self._estimator = estimator
        self._T_base_camera = T_base_camera
        self._noise = noise or MotionNoise()
        self.reset()

    def reset(self) -> None:
        """Back to the origin, nothing remembered."""
        self._estimator.reset()
        self._T_odom_base = np.eye(4)
        self._pose_covariance = np.zeros((6, 6))

    def process(self, pair: FramePair) -> OdometryEstimate:
        """Odometry at the pair's second image.

        Raises ModelError on a motion that is not finite; the pose stays, and the estimator's memory, which may hold
        what made it, is cleared.
        """
        if not pair.continues:
            self._estimator.reset()
        motion = self._estimator.predict(pair)
        if not np.isfinite(motion.T_previous_current).all():
            self._estimator.reset()
            raise ModelError('The motion of a frame pair is not finite. Check that the IMU readings are in SI units.')
        T_base_motion = self._T_base_camera @ motion.T_previous_current @ inverse(self._T_base_camera)
        motion_covariance = self._noise.covariance(float(np.linalg.norm(T_base_motion[:3, 3])))
        self._pose_covariance = self._propagate(T_base_motion, motion_covariance)
        self._T_odom_base = self._T_odom_base @ T_base_motion
        # Thousands of products later the rotation part must still be one.
        self._T_odom_base[:3, :3] = nearest_rotation(self._T_odom_base[:3, :3])
        twist = logarithm(T_base_motion) / pair.interval_s
        return OdometryEstimate(
            stamp_ns=pair.current.stamp_ns,
            T_odom_base=self._T_odom_base.copy(),
            linear_velocity=twist[:3],
            angular_velocity=twist[3:],
            pose_covariance=self._pose_covariance.copy(),
            twist_covariance=motion_covariance / pair.interval_s**2,
            motion=motion,
        )

    def _propagate(self, T_base_motion: FloatArray, motion_covariance: FloatArray) -> FloatArray:
        """First-order covariance of position and fixed-axis rotation error, both in odom, after one more motion."""
        R_odom_base = self._T_odom_base[:3, :3]
        F = np.eye(6)
        F[:3, 3:] = -skew(R_odom_base @ T_base_motion[:3, 3])
        G = np.zeros((6, 6))
        G[:3, :3] = G[3:, 3:] = R_odom_base
        return np.asarray(F @ self._pose_covariance @ F.T + G @ motion_covariance @ G.T)
