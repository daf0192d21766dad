"""A drive from loose files: a folder of images, their times, a 100 Hz IMU table and, if there are any, poses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.kitti import (
    T_BASE_CAMERA_NOMINAL,
    Drive,
    ImuStream,
    Intrinsics,
    find_images,
    ground_truth,
    read_text,
)
from atvio_ros.drives.mat_file import read_matrix
from atvio_ros.errors import DatasetError
from atvio_ros.trajectory_files import read_kitti_poses
from atvio_ros.types import NANOSECONDS, FloatArray

LARGEST_TIME_S = 10**10  # 300 years; int() of a large power of ten takes for ever
# KITTI's odometry times begin at 0; stamps count from 2011-10-03 00:00:00 UTC, so that they look like stamps.
EPOCH_NS = 1_317_600_000 * NANOSECONDS
IMU_PER_IMAGE = 10
MAT_KEY = 'imu_data_interp'


def loose_drive(
    images: Path, times: Path, imu: Path, poses: Path | None = None, intrinsics: Intrinsics | None = None
) -> Drive:
    """A drive from a folder of images, sorted by name, a file of seconds, one a line, and an IMU file.

    The IMU file is a table of ax ay az [m/s^2] wx wy wz [rad/s] in OXTS axes (x forward, y left, z up), as text or as
    `imu_data_interp` in a .mat; row 10 i belongs to image i and the rows between two images are spread evenly between
    their times. Poses are KITTI's, one an image. Raises DatasetError when a file is malformed or the counts differ.
    """
    image_paths = find_images(images)
    stamps_ns = read_times(times)
    values = read_imu_table(imu)
    if len(stamps_ns) != len(image_paths):
        raise DatasetError(f'{images} has {len(image_paths)} images but {times} {len(stamps_ns)} times: one an image.')
    if len(values) != IMU_PER_IMAGE * (len(stamps_ns) - 1) + 1:
        raise DatasetError(
            f'{imu} has {len(values)} rows; {len(stamps_ns)} images need {IMU_PER_IMAGE * (len(stamps_ns) - 1) + 1} '
            f'({IMU_PER_IMAGE} an interval and one for the last image).'
        )
    T_odom_base = None
    if poses is not None:
        T_camera0_camera = read_kitti_poses(poses)
        if len(T_camera0_camera) != len(image_paths):
            raise DatasetError(
                f'{images} has {len(image_paths)} images but {poses} {len(T_camera0_camera)} poses: one an image.'
            )
        T_odom_base = ground_truth(T_camera0_camera, T_BASE_CAMERA_NOMINAL)
    return Drive(
        image_paths,
        stamps_ns,
        ImuStream(spread(stamps_ns), values),
        T_BASE_CAMERA_NOMINAL,
        T_odom_base,
        intrinsics,
        notes=(
            'The camera is placed nominally, to a few centimetres and 1 degree: loose files bring no calibration.',
            *_interpolation_note(values),
        ),
    )


def spread(stamps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stamps (10 (N - 1) + 1,) of the IMU rows: each interval between two images (N,) divided evenly, to the ns."""
    steps = np.diff(stamps_ns)[:, None] * np.arange(IMU_PER_IMAGE) // IMU_PER_IMAGE
    return np.append((stamps_ns[:-1, None] + steps).reshape(-1), stamps_ns[-1])


def interpolated_intervals(values: FloatArray) -> list[tuple[int, int]]:
    """Image intervals whose readings (M, 6) lie on a straight line, as (first image, last image) of each run of them.

    Real readings never do: there somebody has filled a gap of the recorder.
    """
    blocks = np.lib.stride_tricks.sliding_window_view(values, IMU_PER_IMAGE + 1, axis=0)[::IMU_PER_IMAGE]
    straight = (np.abs(np.diff(blocks, 2, axis=2)) < 1e-6).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], straight, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def read_times(path: Path) -> NDArray[np.int64]:
    """Stamps [ns] (N,) of a file of seconds, read as decimals, not floats. Raises DatasetError naming the line."""
    stamps_ns: list[int] = []
    for number, line in enumerate(read_text(path, 'seconds of each image, one a line').splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        try:
            seconds = Decimal(line.strip())
            if not abs(seconds) < LARGEST_TIME_S:
                raise ValueError('too large')
            stamp_ns = EPOCH_NS + int((seconds * NANOSECONDS).to_integral_value())
        except (ArithmeticError, ValueError):  # decimal's are ArithmeticErrors
            raise DatasetError(f'{path}, line {number}: {line.strip()[:50]!r} is not a number of seconds.') from None
        if abs(stamp_ns) >= 2**63 or (stamps_ns and stamp_ns <= stamps_ns[-1]):
            raise DatasetError(f'{path}, line {number}: times must increase; {line.strip()[:50]} s does not fit.')
        stamps_ns.append(stamp_ns)
    if not stamps_ns:
        raise DatasetError(f'{path} holds no times.')
    return np.array(stamps_ns, dtype=np.int64)


def read_imu_table(path: Path) -> FloatArray:
    """(M, 6) readings ax ay az wx wy wz of a .mat or text file. Raises DatasetError unless they are finite numbers."""
    if path.suffix == '.mat':
        table = read_matrix(path, MAT_KEY)
    else:
        try:
            table = np.loadtxt(read_text(path, 'a table of ax ay az wx wy wz').splitlines(), ndmin=2)
        except ValueError as error:
            raise DatasetError(f'{path} is not a table of numbers: {error}.') from error
    if table.ndim != 2 or table.shape[1] != 6 or len(table) == 0:
        raise DatasetError(f'{path} has the shape {table.shape}; expected rows of six: ax ay az wx wy wz.')
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise DatasetError(f'{path}, row {bad[0]}: a reading is NaN or infinite ({len(bad)} rows are).')
    return table


def _interpolation_note(values: FloatArray) -> tuple[str, ...]:
    runs = interpolated_intervals(values)
    if not runs:
        return ()
    places = ', '.join(f'{first}-{last}' for first, last in runs)
    count = sum(last - first for first, last in runs)
    return (f'In {count} image intervals the IMU file only interpolates over a gap: images {places}.',)
