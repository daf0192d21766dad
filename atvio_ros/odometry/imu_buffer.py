"""The IMU readings that frame pairs still need: sorted by stamp, without duplicates, bounded in time."""

from __future__ import annotations

import bisect
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import ImuError
from atvio_ros.types import NANOSECONDS, FloatArray, ImuSample, ImuWindow


class ImuBuffer:
    """Readings go in in any order and come out as windows of sorted readings in base_link's axes.

    `gyro_lag_ns` and `accelerometer_lag_ns`: a sensor's readings describe the motion this much earlier than stamped
    (KITTI's OXTS packets: 66 and 15 ms); windows undo it. `time_offset_ns` is added to every stamp on arrival.
    `gyro_bias` (3,) [rad/s], in imu_link, is taken off. `R_base_imu` (3, 3) turns readings from imu_link's axes into
    base_link's.
    """

    def __init__(
        self,
        R_base_imu: FloatArray | None = None,
        time_offset_ns: int = 0,
        gyro_lag_ns: int = 0,
        horizon_ns: int = 10 * NANOSECONDS,
        accelerometer_lag_ns: int = 0,
        gyro_bias: FloatArray | None = None,
    ) -> None:
        self._lags_ns = gyro_lag_ns, accelerometer_lag_ns
        self._least_lag_ns, self._largest_lag_ns = min(0, *self._lags_ns), max(0, *self._lags_ns)
        self.R_base_imu = R_base_imu
        self._gyro_bias = gyro_bias
        self._time_offset_ns = time_offset_ns
        self._horizon_ns = horizon_ns
        self._stamps_ns: list[int] = []
        self._values: list[FloatArray] = []

    def __len__(self) -> int:
        return len(self._stamps_ns)

    @property
    def latest_ns(self) -> int | None:
        """Newest stamp, time offset applied; None while empty."""
        return self._stamps_ns[-1] if self._stamps_ns else None

    @property
    def oldest_ns(self) -> int | None:
        """Oldest stamp kept, time offset applied; None while empty."""
        return self._stamps_ns[0] if self._stamps_ns else None

    def corrected_ns(self, sample: ImuSample) -> int:
        """The sample's stamp with the time offset applied."""
        return sample.stamp_ns + self._time_offset_ns

    def add(self, sample: ImuSample) -> bool:
        """Insert a reading; False when its stamp is already there. Raises ImuError when it is not finite."""
        w, a = sample.angular_velocity, sample.linear_acceleration
        if self._gyro_bias is not None:
            w = w - self._gyro_bias
        if self.R_base_imu is not None:
            w, a = self.R_base_imu @ w, self.R_base_imu @ a
        value = np.concatenate((w, a))
        if not all(map(math.isfinite, value.tolist())):
            raise ImuError("The reading holds NaN or infinity. Check the IMU's driver.")
        stamp_ns = self.corrected_ns(sample)
        place = bisect.bisect_left(self._stamps_ns, stamp_ns)
        if place < len(self._stamps_ns) and self._stamps_ns[place] == stamp_ns:
            return False
        self._stamps_ns.insert(place, stamp_ns)
        self._values.insert(place, value)
        self.forget_before(self._stamps_ns[-1] - self._horizon_ns)
        return True

    def forget_before(self, stamp_ns: int) -> None:
        """Drop readings that no window from stamp_ns on needs; the one that brackets its start stays."""
        first = max(0, bisect.bisect_right(self._stamps_ns, stamp_ns + self._least_lag_ns) - 1)
        del self._stamps_ns[:first], self._values[:first]

    def clear(self) -> None:
        """Forget everything."""
        self._stamps_ns.clear()
        self._values.clear()

    def covers(self, end_ns: int) -> bool:
        """Whether a window that ends at end_ns is complete: readings newer than all there are would not change it."""
        after = bisect.bisect_left(self._stamps_ns, end_ns)
        return after < len(self._stamps_ns) and self._stamps_ns[-1] >= self._stamps_ns[after] + self._largest_lag_ns

    def widest_hole_ns(self, start_ns: int, end_ns: int) -> int:
        """Longest stretch inside [start_ns, end_ns] without a reading; what of a hole lies outside does not count.

        The interval is extended by the lags, for a window takes readings from there, as far as the stream reaches.
        """
        if self._stamps_ns:
            start_ns = min(start_ns, max(start_ns + self._least_lag_ns, self._stamps_ns[0]))
            end_ns = max(end_ns, min(end_ns + self._largest_lag_ns, self._stamps_ns[-1]))
        first = bisect.bisect_left(self._stamps_ns, start_ns)
        last = bisect.bisect_right(self._stamps_ns, end_ns)
        edges = [start_ns, *self._stamps_ns[first:last], end_ns]
        return max(after - before for before, after in itertools.pairwise(edges))

    def window(self, start_ns: int, end_ns: int) -> ImuWindow:
        """The readings from start_ns to end_ns with one beyond either end where there is one, lags undone."""
        first = max(0, bisect.bisect_right(self._stamps_ns, start_ns) - 1)
        last = bisect.bisect_left(self._stamps_ns, end_ns) + 1
        stamps_ns = np.array(self._stamps_ns[first:last], dtype=np.int64)
        values = np.array(self._values[first:last]).reshape(-1, 6)
        if any(self._lags_ns) and len(stamps_ns):
            values = self._without_lag(stamps_ns)
        return ImuWindow(stamps_ns, values)

    def _without_lag(self, stamps_ns: NDArray[np.int64]) -> FloatArray:
        """Readings (N, 6) of the motion at stamps (N,)."""
        origin_ns = self._stamps_ns[0]
        known = np.array([stamp_ns - origin_ns for stamp_ns in self._stamps_ns], dtype=np.float64)
        columns = np.array(self._values).T
        wanted = [stamps_ns + lag_ns - origin_ns for lag_ns in self._lags_ns]
        return np.stack([np.interp(wanted[axis // 3], known, column) for axis, column in enumerate(columns)], axis=1)
