"""The tables beside KITTI's odometry sequences: image times in seconds, and IMU readings, ten an image interval."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.mat_file import read_matrix
from atvio_ros.drives.text_files import read_text
from atvio_ros.errors import DatasetError
from atvio_ros.types import NANOSECONDS, FloatArray

READINGS_PER_IMAGE = 10
MAT_KEY = 'imu_data_interp'
LARGEST_TIME_S = 5 * 10**9  # 150 years: any epoch may be added without overflow; int() of 1e700001 takes for ever
_GYRO_FIRST = [3, 4, 5, 0, 1, 2]


def read_times(path: Path) -> NDArray[np.int64]:
    """Times [ns] (N,), increasing, of a file of seconds, one a line; read as decimals, not floats, so exactly.

    Raises DatasetError naming the line.
    """
    times_ns: list[int] = []
    for number, line in enumerate(read_text(path, 'seconds of each image, one a line').splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        try:
            seconds = Decimal(line.strip())
            if not abs(seconds) < LARGEST_TIME_S:
                raise ValueError('too large')
            time_ns = int((seconds * NANOSECONDS).to_integral_value())
        except (ArithmeticError, ValueError):  # decimal's are ArithmeticErrors
            raise DatasetError(
                f'{path}, line {number}: {line.strip()[:50]!r} is not a number of seconds. Give one a line.'
            ) from None
        if times_ns and time_ns <= times_ns[-1]:
            raise DatasetError(f'{path}, line {number}: times must increase; {line.strip()[:50]} s does not fit.')
        times_ns.append(time_ns)
    if not times_ns:
        raise DatasetError(f'{path} holds no times. Give seconds, one a line.')
    return np.array(times_ns, dtype=np.int64)


def read_imu_table(path: Path) -> FloatArray:
    """(M, 6) readings wx wy wz [rad/s], ax ay az [m/s^2] of a text file, or of `imu_data_interp` in a .mat file.

    The file's rows are KITTI's, accelerometer first: ax ay az wx wy wz. Raises DatasetError unless they are finite
    numbers.
    """
    if path.suffix == '.mat':
        table = read_matrix(path, MAT_KEY)
    else:
        try:
            table = np.loadtxt(read_text(path, 'a table of ax ay az wx wy wz').splitlines(), ndmin=2)
        except ValueError as error:
            raise DatasetError(
                f'{path} is not a table of numbers: {error}. Give ax ay az wx wy wz in each row.'
            ) from error
    if table.ndim != 2 or table.shape[1] != 6 or len(table) == 0:
        raise DatasetError(f'{path} has the shape {table.shape}; give rows of six: ax ay az wx wy wz.')
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise DatasetError(f'{path}, row {bad[0]}: a reading is NaN or infinite ({len(bad)} rows are). Remove them.')
    return table[:, _GYRO_FIRST]


def spread_stamps(image_stamps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stamps (10 (N - 1) + 1,) [ns] of the readings of a table: row 10 i is at image i, and those between two images
    (N,) divide the interval evenly, to the nanosecond."""
    steps = np.diff(image_stamps_ns)[:, None] * np.arange(READINGS_PER_IMAGE) // READINGS_PER_IMAGE
    return np.append((image_stamps_ns[:-1, None] + steps).reshape(-1), image_stamps_ns[-1])


def interpolated_intervals(values: FloatArray) -> list[tuple[int, int]]:
    """Image intervals whose readings (M, 6) lie on a straight line, as (first image, last image) of each run of them.

    Real readings never do: there somebody has filled a gap of the recorder.
    """
    blocks = np.lib.stride_tricks.sliding_window_view(values, READINGS_PER_IMAGE + 1, axis=0)[::READINGS_PER_IMAGE]
    straight = (np.abs(np.diff(blocks, 2, axis=2)) < 1e-6).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], straight, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
