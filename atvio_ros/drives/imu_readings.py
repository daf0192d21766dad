"""The IMU readings of a drive: brought into the order of time, and where some of them are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.types import FloatArray, ImuSample


@dataclass(frozen=True)
class ImuReadings:
    """IMU readings in the axes of imu_link, in the order of their stamps, and what had to be done to have them so."""

    stamps_ns: NDArray[np.int64]  # (M,) strictly increasing
    values: FloatArray  # (M, 6): wx wy wz [rad/s], ax ay az [m/s^2], gravity included (REP 145)
    out_of_order: int = 0  # readings that stood behind a later one
    duplicates: int = 0  # readings left out because their stamp was there already

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def samples(self) -> Iterator[ImuSample]:
        """The readings one by one."""
        for stamp_ns, row in zip(self.stamps_ns.tolist(), self.values, strict=True):
            yield ImuSample(stamp_ns, angular_velocity=row[:3], linear_acceleration=row[3:])


@dataclass(frozen=True)
class ImuGap:
    """A stretch without IMU readings between two stamps (ends included where a reading stands)."""

    start_ns: int
    end_ns: int
    first_frame: int  # the last image at or before the start, -1 if it lies before all images
    last_frame: int  # the first image at or after the end, or the number of images

    @property
    def length_ms(self) -> float:
        """Time without a reading [ms]."""
        return (self.end_ns - self.start_ns) / 1e6


def order_readings(stamps_ns: NDArray[np.int64], values: FloatArray) -> ImuReadings:
    """Readings (M,), (M, 6) sorted by stamp; of several with one stamp the first is kept."""
    out_of_order = int((stamps_ns < np.maximum.accumulate(stamps_ns)).sum())
    unique_ns, first = np.unique(stamps_ns, return_index=True)
    return ImuReadings(unique_ns, values[first], out_of_order, len(stamps_ns) - len(unique_ns))


def find_gaps(imu_stamps_ns: NDArray[np.int64], image_stamps_ns: NDArray[np.int64], interval_ns: int) -> list[ImuGap]:
    """Every stretch without a reading from the first to the last image, in order, of an IMU that measures each
    `interval_ns`: from one and a half intervals on at least one reading is missing."""
    first_ns, last_ns = image_stamps_ns[0], image_stamps_ns[-1]
    before, after = imu_stamps_ns[imu_stamps_ns <= first_ns][-1:], imu_stamps_ns[imu_stamps_ns >= last_ns][:1]
    inside = imu_stamps_ns[(imu_stamps_ns > first_ns) & (imu_stamps_ns < last_ns)]
    # Without a reading before the first image (or after the last) the image itself bounds the stretch.
    known_ns = np.concatenate((before if len(before) else [first_ns], inside, after if len(after) else [last_ns]))
    wide = np.flatnonzero(np.diff(known_ns) > interval_ns * 3 // 2)
    gaps = []
    for start_ns, end_ns in zip(known_ns[wide], known_ns[wide + 1], strict=True):
        first_frame = int(np.searchsorted(image_stamps_ns, start_ns, side='right')) - 1
        last_frame = int(np.searchsorted(image_stamps_ns, end_ns, side='left'))
        gaps.append(ImuGap(int(start_ns), int(end_ns), first_frame, last_frame))
    return gaps
