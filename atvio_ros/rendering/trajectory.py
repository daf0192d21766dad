"""A smooth motion through the world, the exact source of images, IMU readings and ground truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, RotationSpline

from atvio_ros.errors import TrajectoryError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, transform
from atvio_ros.types import NANOSECONDS, FloatArray

GRAVITY = np.array([0.0, 0.0, 9.81])  # m/s^2; what an accelerometer at rest reads on the upward axis (REP 145)
SMOOTHED_M = 2.0  # of the way: leaves the least scatter between the direction of travel and the body of KITTI's car
KITTI_INTERVAL_S = (0.1037, 0.0006, 0.0981, 0.1093)  # mean, spread, least and greatest interval of KITTI's images


class Motion:
    """Pose of base_link in a level world (z up), twice differentiable everywhere between its first and last time.

    Position is a quintic spline and rotation a RotationSpline, both through the given poses exactly.
    """

    def __init__(self, times_s: FloatArray, T_world_base: FloatArray, still: Motion | None = None) -> None:
        """Take poses (N, 4, 4), N >= 6, at increasing times (N,) [s]. Raises TrajectoryError otherwise.

        `still`: how it would move without springs, which tells where the road is; None: as it does.
        """
        if len(times_s) != len(T_world_base) or len(times_s) < 6 or np.any(np.diff(times_s) <= 0):
            raise TrajectoryError(
                f'A motion needs at least 6 poses at increasing times, not {len(T_world_base)} poses '
                f'and {len(times_s)} times. Check that --poses and --times belong together.'
            )
        self.times_s = times_s
        self.still = still or self
        self._position = make_interp_spline(times_s, T_world_base[:, :3, 3], k=5)
        self._velocity = self._position.derivative(1)
        self._acceleration = self._position.derivative(2)
        self._rotation = RotationSpline(times_s, Rotation.from_matrix(T_world_base[:, :3, :3]))

    def poses(self, times_s: FloatArray) -> FloatArray:
        """T_world_base (N, 4, 4) at times (N,) [s]; a time outside the motion gets the nearest end."""
        inside = self._inside(times_s)
        result = np.tile(np.eye(4), (len(inside), 1, 1))
        result[:, :3, :3] = self._rotation(inside).as_matrix()
        result[:, :3, 3] = self._position(inside)
        return result

    def angular_velocity(self, times_s: FloatArray) -> FloatArray:
        """Angular velocity of the base (N, 3) [rad/s], in base axes."""
        return np.asarray(self._rotation(self._inside(times_s), 1))  # scipy gives it in the moving axes

    def specific_force(self, times_s: FloatArray) -> FloatArray:
        """What an ideal accelerometer at the base origin reads (N, 3) [m/s^2], in base axes, gravity included."""
        inside = self._inside(times_s)
        return np.asarray(self._rotation(inside).inv().apply(self._acceleration(inside) + GRAVITY))

    def speed(self, times_s: FloatArray) -> FloatArray:
        """Speed of the base origin (N,) [m/s]."""
        return np.asarray(np.linalg.norm(self._velocity(self._inside(times_s)), axis=1))

    def _inside(self, times_s: FloatArray) -> FloatArray:
        return np.clip(times_s, self.times_s[0], self.times_s[-1])


def image_stamps(
    duration_s: float, start_ns: int, rng: np.random.Generator, jitter: bool, rate_hz: float | None = None
) -> NDArray[np.int64]:
    """Stamps [ns] of images over `duration_s`: jittered at KITTI's 9.6 Hz, or exact at 10 Hz, or at `rate_hz`."""
    mean, spread, least, greatest = KITTI_INTERVAL_S
    slower = 1.0 if rate_hz is None else 1.0 / (rate_hz * mean)  # than KITTI's
    count = int(duration_s / (0.0975 * slower)) + 2
    if jitter:
        intervals_s = np.clip(rng.normal(mean, spread, count), least, greatest) * slower
    else:
        intervals_s = np.full(count, 0.1 if rate_hz is None else 1.0 / rate_hz)
    offsets_ns = np.concatenate(([0], np.cumsum(np.round(intervals_s * NANOSECONDS).astype(np.int64))))
    return np.asarray(start_ns + offsets_ns[offsets_ns <= duration_s * NANOSECONDS])


def motion_from_camera(times_s: FloatArray, T_first_camera: FloatArray, T_base_camera: FloatArray) -> Motion:
    """The motion through given camera poses (N, 4, 4), in a world levelled so that the car is upright on average.

    A car tilts to all sides alike, so its mean upward axis over a drive is close to the vertical. That axis is square
    to the way the car moves, not to the base, which may sit in it nose down: KITTI's does, by half a degree.
    """
    T_odom_base = T_base_camera @ T_first_camera @ inverse(T_base_camera)
    R_odom_base = T_odom_base[:, :3, :3]
    steps = np.einsum('nji,nj->ni', R_odom_base[:-1], np.diff(T_odom_base[:, :3, 3], axis=0))  # in base axes
    ahead = steps.mean(axis=0) / max(float(np.linalg.norm(steps.mean(axis=0))), 1e-9)
    up = (R_odom_base @ (np.array([0.0, 0.0, 1.0]) - ahead[2] * ahead)).mean(axis=0)
    level, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [up])
    return Motion(times_s, transform(level.as_matrix(), np.zeros(3)) @ T_odom_base)


def smooth_heights(motion: Motion, sigma_m: float = SMOOTHED_M) -> Motion:
    """The motion with its height smoothed over the way; orientation and way stay.

    KITTI's poses tremble vertically: their direction of travel is off by up to 0.6 degrees from one image to the next,
    which no car does, and no camera sees.
    """
    poses = motion.poses(motion.times_s)
    steps = np.linalg.norm(np.diff(poses[:, :2, 3], axis=0), axis=1)
    way = np.concatenate(([0.0], np.cumsum(steps)))
    known, first = np.unique(np.round(way, 3), return_index=True)  # at rest the first height counts
    cell = sigma_m / 8
    grid = np.arange(0.0, known[-1] + cell, cell)
    heights = np.interp(grid, known, poses[first, 2, 3])
    pad = int(4 * sigma_m / cell)
    padded = np.pad(heights, pad, mode='reflect', reflect_type='odd') if len(heights) > pad else heights
    smooth = gaussian_filter1d(padded, sigma_m / cell)
    smooth = smooth[pad:-pad] if len(heights) > pad else smooth
    poses[:, 2, 3] = make_interp_spline(grid, smooth, k=3)(way)
    return Motion(motion.times_s, poses)


def nominal_camera(translation_m: tuple[float, ...], mounting_deg: tuple[float, float, float]) -> FloatArray:
    """T_base_camera (4, 4): the nominal optical axes of a forward camera, turned by a rotation vector about them."""
    mounting = Rotation.from_rotvec(np.array(mounting_deg), degrees=True).as_matrix()
    return transform(R_BODY_OPTICAL @ mounting, np.array(translation_m))
