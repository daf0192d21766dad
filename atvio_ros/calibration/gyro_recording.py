"""What the fits of a gyro start from: rotations seen over intervals of time, and the integral of a recorded gyro."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import ImuError
from atvio_ros.types import NANOSECONDS, FloatArray

MAX_HOLE_S = 0.05  # what happens in a longer one the readings do not tell


@dataclass(frozen=True)
class RotationPairs:
    """Rotations seen over intervals of time: R_start_end = exp(rotation). Whoever makes them states their axes."""

    start_ns: NDArray[np.int64]  # (N,) increasing
    end_ns: NDArray[np.int64]  # (N,)
    rotation: FloatArray  # (N, 3) rotation vectors [rad]

    def __len__(self) -> int:
        return len(self.start_ns)


class RecordedGyro:
    """The integral of a recorded angular velocity, at any time of the recording; times in seconds from its start."""

    def __init__(self, stamps_ns: NDArray[np.int64], angular_velocity: FloatArray) -> None:
        """Readings (M, 3) [rad/s] at increasing stamps (M,). Raises ImuError if they are too few or not finite."""
        if len(stamps_ns) < 2 or not np.isfinite(angular_velocity).all():
            raise ImuError('The gyro readings are too few or not finite. Record the IMU again.')
        self._origin_ns = int(stamps_ns[0])
        self._times_s = self.seconds(stamps_ns)
        self._rate = angular_velocity
        steps_s = np.diff(self._times_s)
        trapezia = 0.5 * (angular_velocity[1:] + angular_velocity[:-1]) * steps_s[:, None]
        self._angle = np.concatenate((np.zeros((1, 3)), np.cumsum(trapezia, axis=0)))
        self._unknown_s = np.concatenate(([0.0], np.cumsum(np.where(steps_s > MAX_HOLE_S, steps_s, 0.0))))

    def seconds(self, stamps_ns: NDArray[np.int64]) -> FloatArray:
        """Stamps as seconds from the first reading."""
        return (stamps_ns - self._origin_ns) / NANOSECONDS

    def known(self, start_s: FloatArray, end_s: FloatArray) -> NDArray[np.bool_]:
        """(N,) whether the readings cover each interval without a hole."""
        inside = (start_s >= 0.0) & (end_s <= self._times_s[-1])
        holes = np.interp(end_s, self._times_s, self._unknown_s) - np.interp(start_s, self._times_s, self._unknown_s)
        return np.asarray(inside & (holes < 1e-9))

    def turned(self, start_s: FloatArray, end_s: FloatArray) -> FloatArray:
        """Angle (N, 3) [rad] turned in each interval.

        Over a tenth of a second the integral of the rate is the rotation vector but for a part in a thousand.
        """
        return self._at(end_s, self._angle) - self._at(start_s, self._angle)

    def change(self, start_s: FloatArray, end_s: FloatArray) -> FloatArray:
        """How the angle turned changes (N, 3) [rad/s] when each interval moves later."""
        return self._at(end_s, self._rate) - self._at(start_s, self._rate)

    def _at(self, times_s: FloatArray, table: FloatArray) -> FloatArray:
        return np.stack([np.interp(times_s, self._times_s, axis) for axis in table.T], axis=1)


@dataclass(frozen=True)
class GyroRecording:
    """The rotations of a drive and the gyro that was recorded with them."""

    pairs: RotationPairs
    gyro: RecordedGyro

    def intervals(self) -> tuple[FloatArray, FloatArray]:
        """Start and end (N,) of the pairs [s] from the first gyro reading."""
        return self.gyro.seconds(self.pairs.start_ns), self.gyro.seconds(self.pairs.end_ns)
