"""Rotation and direction of travel of each frame pair: the gyro's, corrected by what the images show."""

from __future__ import annotations

import functools

import numpy as np

from atvio_ros.geometry import rotation_vector, rotations
from atvio_ros.odometry.imu_noise import GyroNoise
from atvio_ros.odometry.sight import Sight
from atvio_ros.preprocessing import IMU_SAMPLES, resample_imu
from atvio_ros.rig.rig import DirectionOfTravel
from atvio_ros.road.travel_direction import TravelDirection, TravelSettings
from atvio_ros.types import FloatArray, FramePair, PairGeometry

_LEAST_BIAS = np.radians(0.12)  # rad/s: what corners alone make of a gyro without bias stays below
SEEN_RAD = 0.0003  # what corners know of the rotation over a pair, beside what every gyro errs
LEFT_RAD = 0.0006  # deviation of what they leave: the errors of pairs that follow each other are alike
LOST = 'the direction of travel is not seen: check that the camera looks forward, its intrinsics, and base_to_imu'


class TravelTracker:
    """Fed with every frame pair of a Sight in order. Depends on the pairs alone."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._R_image_base = sight.R_camera_stored.T @ sight.rig.R_base_camera.T
        self._noise = GyroNoise()
        self._direction: TravelDirection | None = None  # made with the first pair: its images tell their camera

    def reset(self) -> None:
        """The direction is that of the rig again, as after the robot was carried elsewhere."""
        self._direction = None
        self._noise.reset()

    def update(self, pair: FramePair) -> PairGeometry:
        """Geometry of the next pair.

        Raises ImuError when the pair's IMU readings are unusable, ImageError when its images differ in size.
        """
        if self._direction is None:
            stored = self._sight.stored
            settings = _start(self._sight.rig.direction_of_travel)
            self._direction = TravelDirection(stored.virtual.K, np.eye(3), settings, mask=stored.mask)
        R_gyro = self._R_image_base @ pair_rotation(pair) @ self._R_image_base.T
        previous, current = pair.previous.image[:, :, 0], pair.current.image[:, :, 0]
        noise = self._noise.update(pair)
        travel = self._direction.update(previous, current, R_gyro, pair.interval_s, noise)
        correction = _beyond_doubt(travel.gyro_bias)
        R_felt = rotations(correction * pair.interval_s) @ R_gyro
        return PairGeometry(
            R_previous_current=_joined(R_felt, travel.R_seen, noise) if travel.used else R_felt,
            R_image_level=travel.R_camera_level,
            pitch_sigma=travel.pitch_sigma,
            confident=travel.confident,
            lost=travel.lost,
            gyro_correction=self._R_image_base.T @ correction,
            yaw_sigma=travel.yaw_sigma,
            parallax=travel.parallax,
            rotation_noise=noise * LEFT_RAD / float(np.hypot(noise, LEFT_RAD)) if travel.used else noise,
            R_seen=travel.R_seen,
        )


def _start(calibrated: DirectionOfTravel | None) -> TravelSettings:
    """How well the direction is known before any image: a calibrated one better than the nominal one."""
    if calibrated is None:
        return TravelSettings()
    pitch_deg, yaw_deg = np.degrees((calibrated.pitch_sigma, calibrated.yaw_sigma))
    # A mean direction is known better than that of one moment: the car rides nose up or down.
    return TravelSettings(start_pitch_deg=float(max(pitch_deg, 0.5)), start_yaw_deg=float(max(yaw_deg, 0.3)))


def _joined(R_felt: FloatArray, R_seen: FloatArray, gyro_noise: float) -> FloatArray:
    """The gyro's rotation (3, 3), and as far as its noise [rad] is beyond what corners know, that which they show.

    Corners turn the way of a good gyro a little wrong; a MEMS gyro's they mend.
    """
    share = gyro_noise**2 / (gyro_noise**2 + SEEN_RAD**2)
    return rotations(share * rotation_vector(R_seen @ R_felt.T)) @ R_felt


def _beyond_doubt(bias: FloatArray) -> FloatArray:
    """What is taken off the gyro of a bias (3,) [rad/s] seen in images: nothing of a small one, all of a large one.

    A good gyro knows its rotation better than corners do: on a rendered drive of KITTI's gyro, taking off all that
    images seemed to show of a bias, up to 0.1 deg/s, raised r_rel from 0.08 to 0.47 deg/100 m.
    """
    return np.asarray(bias * np.clip(np.linalg.norm(bias) / _LEAST_BIAS - 1.0, 0.0, 1.0))


def pair_rotation(pair: FramePair) -> FloatArray:
    """R_previous_current (3, 3) of base_link over a pair, by the midpoint rule on SO(3) over the gyro's readings."""
    samples = max(IMU_SAMPLES, len(pair.imu.stamps_ns))
    gyro = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns, samples)[:, :3]
    steps = 0.5 * (gyro[1:] + gyro[:-1]) * (pair.interval_s / (samples - 1))
    return np.asarray(functools.reduce(np.matmul, rotations(steps)))


def seen_direction(sight: Sight, geometry: PairGeometry) -> DirectionOfTravel:
    """Where the robot goes, in the camera's optical axes as direction_of_travel of a rig file has it, its sigmas
    those of now.
    """
    ahead = sight.R_camera_stored @ geometry.R_image_level[:, 2]
    return DirectionOfTravel.of(ahead, geometry.pitch_sigma, geometry.yaw_sigma)


def direction_in_words(direction: DirectionOfTravel, geometry: PairGeometry) -> str:
    """A direction that was seen, for people."""
    state = 'lost' if geometry.lost else 'known' if geometry.confident else 'being learned'
    pitch, yaw, sigma = np.degrees((direction.pitch, direction.yaw, direction.pitch_sigma))
    return f'{state}: pitch {pitch:.2f} deg, yaw {yaw:.2f} deg, sigma {sigma:.2f} deg'
