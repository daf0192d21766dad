"""The newest IMU readings in base axes, asked for by the time of the motion that they describe."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from atvio_ros.odometry.input_checks import implausible
from atvio_ros.odometry.quaternions import Vector, added
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, ImuSample

KEPT_NS = 4 * NANOSECONDS


class ReadingHistory:
    """Readings in order of their stamps, on the clock of the images. Lags and bias of the rig are undone.

    `latest_ns` is the newest stamp; by `lag_ns` before it everything is known, behind that the newest is held.
    """

    def __init__(self, rig: Rig) -> None:
        self._R_base_imu = rig.R_base_imu
        self._bias = rig.gyro_bias
        self._offset_ns = round(rig.imu_time_offset * NANOSECONDS)
        self._gyro_lag_ns = round(rig.gyro_lag * NANOSECONDS)
        self._force_lag_ns = round(rig.accelerometer_lag * NANOSECONDS)
        self.lag_ns = max(0, self._gyro_lag_ns, self._force_lag_ns)
        self._stamps_ns: list[int] = []
        self._rates: list[Vector] = []  # rad/s
        self._forces: list[Vector] = []  # m/s^2

    def __len__(self) -> int:
        return len(self._stamps_ns)

    @property
    def latest_ns(self) -> int:
        """Stamp of the newest reading; there must be one."""
        return self._stamps_ns[-1]

    def clear(self) -> None:
        """Forget all."""
        self._stamps_ns.clear()
        self._rates.clear()
        self._forces.clear()

    def add(self, sample: ImuSample, jump_ns: int) -> bool:
        """Take a reading; False where it is not newer than all before, not finite, or not possible.

        One that is older by more than `jump_ns`, or newer by more, begins a new history.
        """
        if implausible(sample) is not None:
            return False
        w, a = sample.angular_velocity, sample.linear_acceleration
        if self._bias is not None:
            w = w - self._bias
        if self._R_base_imu is not None:
            w, a = self._R_base_imu @ w, self._R_base_imu @ a
        rate, force = w.tolist(), a.tolist()
        if not np.isfinite(sum(rate) + sum(force)):
            return False
        stamp_ns = sample.stamp_ns + self._offset_ns
        if self._stamps_ns:
            if abs(stamp_ns - self._stamps_ns[-1]) > jump_ns:
                self.clear()
            elif stamp_ns <= self._stamps_ns[-1]:
                return False
        self._stamps_ns.append(stamp_ns)
        self._rates.append((rate[0], rate[1], rate[2]))
        self._forces.append((force[0], force[1], force[2]))
        if self._stamps_ns[0] < stamp_ns - 2 * KEPT_NS:
            old = bisect_left(self._stamps_ns, stamp_ns - KEPT_NS)
            del self._stamps_ns[:old], self._rates[:old], self._forces[:old]
        return True

    def reaches_back_to(self, at_ns: int) -> bool:
        """Whether the motion at a time is known."""
        return bool(self._stamps_ns) and self._stamps_ns[0] <= at_ns + min(0, self._gyro_lag_ns, self._force_lag_ns)

    def between(self, start_ns: int, end_ns: int) -> list[int]:
        """Stamps after start_ns up to end_ns, both shifted by the lag: where integration is to stop."""
        first = bisect_right(self._stamps_ns, start_ns + self.lag_ns)
        last = bisect_right(self._stamps_ns, end_ns + self.lag_ns)
        return [stamp_ns - self.lag_ns for stamp_ns in self._stamps_ns[first:last]]

    def rate(self, at_ns: int) -> Vector:
        """Angular velocity [rad/s] at a time, between readings by a straight line, beyond them the last."""
        return self._value(self._rates, at_ns + self._gyro_lag_ns)

    def force(self, at_ns: int) -> Vector:
        """Specific force [m/s^2] likewise."""
        return self._value(self._forces, at_ns + self._force_lag_ns)

    def mean_force(self, start_ns: int, end_ns: int) -> Vector:
        """Mean of the specific force [m/s^2] over a time."""
        return self._mean(self._forces, start_ns + self._force_lag_ns, end_ns + self._force_lag_ns)

    def mean_rate(self, start_ns: int, end_ns: int) -> Vector:
        """Mean of the angular velocity [rad/s] over a time."""
        return self._mean(self._rates, start_ns + self._gyro_lag_ns, end_ns + self._gyro_lag_ns)

    def _value(self, values: list[Vector], at_ns: int) -> Vector:
        stamps_ns = self._stamps_ns
        after = bisect_left(stamps_ns, at_ns)
        if after == len(stamps_ns):
            return values[-1]
        if after == 0 or stamps_ns[after] == at_ns:
            return values[after]
        before_ns = stamps_ns[after - 1]
        share = (at_ns - before_ns) / (stamps_ns[after] - before_ns)
        a, b = values[after - 1], values[after]
        return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])

    def _mean(self, values: list[Vector], start_ns: int, end_ns: int) -> Vector:
        """By trapezoids, the ends interpolated."""
        first, last = bisect_right(self._stamps_ns, start_ns), bisect_left(self._stamps_ns, end_ns)
        stamps_ns = [start_ns, *self._stamps_ns[first:last], end_ns]
        points = [self._value(values, start_ns), *values[first:last], self._value(values, end_ns)]
        total: Vector = (0.0, 0.0, 0.0)
        for k in range(len(points) - 1):
            half = 0.5 * (stamps_ns[k + 1] - stamps_ns[k])
            total = added(added(total, points[k], half), points[k + 1], half)
        span = end_ns - start_ns
        return total[0] / span, total[1] / span, total[2] / span
