"""Frame pairs to odometry: camera motion, extrinsics, composition. The node and the offline runner share it."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import cv2
import numpy as np

from atvio_ros.errors import ModelError
from atvio_ros.geometry import inverse, logarithm, nearest_rotation, transform
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.doubt import Doubts
from atvio_ros.odometry.input_checks import SightCheck
from atvio_ros.odometry.speed_check import SpeedCheck
from atvio_ros.odometry.standstill import StandstillGate
from atvio_ros.odometry.start import Start
from atvio_ros.odometry.travel import LOST, TravelTracker
from atvio_ros.odometry.uncertainty import PoseUncertainty
from atvio_ros.types import NANOSECONDS, FloatArray, FramePair, OdometryEstimate, RelativeMotion

BLIND_MEMORY_S = 5.0  # an unseen robot is taken to slow down over this time
UNKNOWN_SPEED = 10.0  # m/s, one sigma, of a robot that was never seen


class MotionEstimator(Protocol):
    """Whatever tells the camera's motion over a frame pair; the network is one (estimator.NetworkEstimator)."""

    def predict(self, pair: FramePair) -> RelativeMotion:
        """Motion over one pair, given those before it."""

    def reset(self) -> None:
        """Forget the pairs before."""


class OdometryEngine:
    """Composes relative camera motions into the pose of base_link in odom.

    `T_base_image` is the pose in base_link of the frame that the estimator's motions are in: that of the kept images.
    Odometry starts at identity. A pair that does not continue the one before (start, gap, time jump, a pair before it
    that failed) clears the estimator's memory; the pose goes on from the last, its covariance larger by what the time
    between may have brought. `standstill` holds the pose at rest; None, as in the paper, never does. `travel` finds
    rotation and direction of travel of each pair, for estimators that look at calibrated images. Where the motions
    cannot be trusted (doubt.py) the covariance is larger. Depends on the pairs alone, never on the clock.
    """

    def __init__(
        self,
        estimator: MotionEstimator,
        T_base_image: FloatArray,
        noise: MotionNoise | None = None,
        standstill: StandstillGate | None = None,
        travel: TravelTracker | None = None,
    ) -> None:
        self._estimator = estimator
        self._T_base_image = T_base_image
        self._T_image_base = inverse(T_base_image)
        self._turned = np.kron(np.eye(2), T_base_image[:3, :3])  # (6, 6) of a motion's axes
        self._noise = noise or MotionNoise()
        self._standstill = standstill
        self._travel = travel
        self._sight = SightCheck()
        self._speed_check = SpeedCheck()
        self._doubts = Doubts()
        self.reset()

    def doubt_robot(self, doubtful: bool = True) -> None:
        """Whether the estimator is taken to err on this robot, however good the images are."""
        self._doubts.of_robot = doubtful

    def reset(self, start: Start | None = None) -> None:
        """Nothing remembered, and the pose where `start` says; None: at the origin, which is known exactly."""
        start = start or Start()
        self._estimator.reset()
        if self._standstill is not None:
            self._standstill.reset()
        if self._travel is not None:
            self._travel.reset()
        self._speed_check.reset()
        self._doubts.reset()
        self._T_odom_base = start.T_odom_base
        self._uncertainty = PoseUncertainty(self._noise, start.pose_covariance)
        self._last_ns: int | None = None  # the image that the pose belongs to
        self._connected = False  # whether the estimator's memory ends there
        self._twist = np.zeros(6)  # of the last motion that was seen
        self._seen = False
        self._blind_s = 0.0

    def process(self, pair: FramePair) -> OdometryEstimate:
        """Odometry at the pair's second image.

        Raises ModelError where motion or odometry would not be finite, and what the estimator raises. The pose stays,
        then, and the next pair begins a new stretch.
        """
        try:
            return self._process(pair)
        except (np.linalg.LinAlgError, cv2.error) as error:  # of numbers that no camera and no IMU gives
            self._estimator.reset()
            raise ModelError(
                f'A frame pair cannot be computed: {" ".join(str(error).split())}.'
                ' Check what the camera and the IMU gave there.'
            ) from error

    def _process(self, pair: FramePair) -> OdometryEstimate:
        continues = pair.continues and self._connected and pair.previous.stamp_ns == self._last_ns
        self._connected = False
        gap_s = 0.0 if self._last_ns is None else abs(pair.previous.stamp_ns - self._last_ns) / NANOSECONDS
        if not continues:
            self._estimator.reset()
            pair = dataclasses.replace(pair, continues=False)
        blind = self._sight.update(pair)
        stationary = self._standstill is not None and self._standstill.update(pair, blind is not None)
        if self._travel is not None:
            pair = dataclasses.replace(pair, geometry=self._travel.update(pair))
        motion = self._estimator.predict(pair)
        if not np.isfinite(motion.T_previous_current).all():
            self._estimator.reset()
            raise ModelError('The motion of a frame pair is not finite. Check that the IMU readings are in SI units.')
        before = self._T_odom_base, self._uncertainty.copied(), self._twist, self._seen, self._blind_s
        if gap_s:
            self._uncertainty.unseen(gap_s, *self._speeds())
        if stationary:  # identity to the bit: rounding adds up over a night in the garage
            motion = dataclasses.replace(motion, T_previous_current=np.eye(4))
            T_base_motion = np.eye(4)
        else:
            T_base_motion = self._T_base_image @ motion.T_previous_current @ self._T_image_base
            if blind:
                T_base_motion = self._unseen_motion(T_base_motion, pair.interval_s)
        try:
            with np.errstate(over='ignore', invalid='ignore'):  # which is looked at below
                estimate = self._advance(pair, motion, T_base_motion, stationary, gap_s, blind)
            if not _is_finite(estimate):
                raise ModelError(
                    'The odometry of a frame pair is not finite, so it is not published. Check the units of the IMU '
                    'and of base_to_camera and base_to_imu, or call ~/reset.'
                )
        except (ModelError, np.linalg.LinAlgError):
            self._T_odom_base, self._uncertainty, self._twist, self._seen, self._blind_s = before
            self._connected = False
            self._estimator.reset()
            self._speed_check.reset()
            self._doubts.reset()
            raise
        return estimate

    def _advance(
        self,
        pair: FramePair,
        motion: RelativeMotion,
        T_base_motion: FloatArray,
        stationary: bool,
        gap_s: float,
        blind: str | None,
    ) -> OdometryEstimate:
        """Compose one more motion."""
        interval_s = pair.interval_s
        R_odom_base = self._T_odom_base[:3, :3]
        own = self._in_base(motion.covariance)
        if stationary:
            covariance = self._uncertainty.rest(interval_s)
        else:
            covariance = self._uncertainty.move(R_odom_base, T_base_motion, interval_s, own)
        twist = logarithm(T_base_motion) / interval_s
        too_fast, fast_words = self._speed_check.update(pair, twist[:3])
        if too_fast and not blind:  # the motion is wrong by no less than what cannot be
            covariance = covariance + np.diag([(too_fast * interval_s) ** 2] * 3 + [0.0] * 3)
            self._uncertainty.unseen_position(0.0, interval_s, too_fast)
        if (doubt := self._doubts.update(pair, T_base_motion[:3, 3])) is not None:
            covariance[:3, :3] += doubt.motion
            self._uncertainty.doubted_position(R_odom_base, doubt.pose)
        if blind:
            covariance = covariance + self._unseen_covariance(interval_s)
        else:
            self._twist, self._seen, self._blind_s = twist, True, 0.0
        self._T_odom_base = self._T_odom_base @ T_base_motion
        # Thousands of products later the rotation part must still be one.
        self._T_odom_base[:3, :3] = nearest_rotation(self._T_odom_base[:3, :3])
        self._last_ns, self._connected = pair.current.stamp_ns, True
        return OdometryEstimate(
            stamp_ns=pair.current.stamp_ns,
            T_odom_base=self._T_odom_base.copy(),
            linear_velocity=twist[:3],
            angular_velocity=twist[3:],
            pose_covariance=self._uncertainty.pose,
            twist_covariance=covariance / interval_s**2,
            motion=motion,
            stationary=stationary,
            gap_s=gap_s,
            warnings=(blind,) if blind else self._words(pair, motion, stationary, fast_words),
            geometry=pair.geometry,
            motion_covariance=own,
        )

    @staticmethod
    def _words(pair: FramePair, motion: RelativeMotion, stationary: bool, fast_words: str | None) -> tuple[str, ...]:
        """Why an estimate of a pair that shows something is not to be trusted."""
        lost = pair.geometry is not None and pair.geometry.lost and not stationary
        words = (*(() if stationary else motion.warnings), LOST if lost else None, fast_words)
        return tuple(text for text in words if text is not None)

    def _in_base(self, covariance: FloatArray | None) -> FloatArray | None:
        """Covariance (6, 6) of a motion, turned from the axes of the images into those of base_link."""
        if covariance is None:
            return None
        return np.asarray(self._turned @ covariance @ self._turned.T)

    def _speeds(self) -> tuple[float, float]:
        """Linear [m/s] and angular [rad/s] speed of the last motion that was seen."""
        return float(np.linalg.norm(self._twist[:3])), float(np.linalg.norm(self._twist[3:]))

    def _unseen_motion(self, T_base_motion: FloatArray, interval_s: float) -> FloatArray:
        """For a pair that shows nothing: its rotation, which the IMU feels, and the way of going on as before."""
        if not self._seen:
            return T_base_motion
        velocity = self._twist[:3] * np.exp(-self._blind_s / BLIND_MEMORY_S)
        return transform(T_base_motion[:3, :3], velocity * interval_s)

    def _unseen_covariance(self, interval_s: float) -> FloatArray:
        """(6, 6) that not seeing adds to a motion: of the position alone, for the IMU still feels rotation."""
        before_s, self._blind_s = self._blind_s, self._blind_s + interval_s
        speed = self._speeds()[0] if self._seen else UNKNOWN_SPEED
        self._uncertainty.unseen_position(before_s, self._blind_s, speed)
        return np.diag([(speed * interval_s) ** 2] * 3 + [0.0] * 3)


def _is_finite(estimate: OdometryEstimate) -> bool:
    """Whether all that is published of it is."""
    published = (
        estimate.T_odom_base, estimate.linear_velocity, estimate.angular_velocity, estimate.pose_covariance,
        estimate.twist_covariance,
    )  # fmt: skip
    return all(np.isfinite(values).all() for values in published)
