"""A drive from loose files: a folder of images, their times, a 100 Hz IMU table and, if there are any, poses."""

from __future__ import annotations

from pathlib import Path

from atvio_ros.drives.file_drive import FileDrive, find_images, image_size
from atvio_ros.drives.imu_readings import ImuReadings
from atvio_ros.drives.kitti_calibration import check_size, read_calibration
from atvio_ros.drives.kitti_frames import T_BASE_CAMERA_NOMINAL, ground_truth
from atvio_ros.drives.kitti_tables import (
    READINGS_PER_IMAGE,
    interpolated_intervals,
    read_imu_table,
    read_times,
    spread_stamps,
)
from atvio_ros.errors import DatasetError
from atvio_ros.rig.kitti import Intrinsics, kitti_rig
from atvio_ros.trajectory_files import read_kitti_poses
from atvio_ros.types import NANOSECONDS, FloatArray

# KITTI's odometry times begin at 0; stamps count from 2011-10-03 00:00:00 UTC, so that they look like stamps.
EPOCH_NS = 1_317_600_000 * NANOSECONDS
NOMINAL_NOTE = (
    'The camera is placed nominally, to a few centimetres and 1 degree: loose files bring no calibration. '
    'Give the calib_*.txt of the day with --calibration.'
)


def loose_drive(
    images: Path,
    times: Path,
    imu: Path,
    poses: Path | None = None,
    intrinsics: Intrinsics | None = None,
    calibration: Path | None = None,
) -> FileDrive:
    """A drive from a folder of images, sorted by name, a file of seconds, one a line, and an IMU file.

    The IMU file is a table of ax ay az [m/s^2] wx wy wz [rad/s] in OXTS axes (x forward, y left, z up), as text or as
    `imu_data_interp` in a .mat; row 10 i belongs to image i and the rows between two images are spread evenly between
    their times. Poses are KITTI's, one an image. `calibration` is the folder of the day's calib_*.txt; without it the
    camera is placed nominally: its tilt differs by a degree between the days, and nothing here names the day.
    `intrinsics` are those of the images, in place of the day's. Raises DatasetError when a file is malformed
    or the counts differ.
    """
    image_paths = find_images(images)
    stamps_ns = EPOCH_NS + read_times(times)
    values = read_imu_table(imu)
    if len(stamps_ns) != len(image_paths):
        raise DatasetError(
            f'{images} has {len(image_paths)} images but {times} {len(stamps_ns)} times: give one an image.'
        )
    rows = READINGS_PER_IMAGE * (len(stamps_ns) - 1) + 1
    if len(values) != rows:
        raise DatasetError(
            f'{imu} has {len(values)} rows; {len(stamps_ns)} images need {rows} '
            f'({READINGS_PER_IMAGE} an interval and one for the last image). Give the IMU of these images.'
        )
    T_base_camera = T_BASE_CAMERA_NOMINAL
    notes: tuple[str, ...] = (NOMINAL_NOTE,)
    size = image_size(image_paths[0])
    if calibration is not None:
        day = read_calibration(calibration, '00')
        T_base_camera, notes = day.T_base_camera, day.notes
        if intrinsics is None and day.intrinsics is not None:
            check_size(day.size, size, str(calibration))
            camera = kitti_rig(T_base_camera, day.intrinsics, day.size, f'{calibration}').for_images(*size).camera
            intrinsics = camera.intrinsics if camera else None
    truth = None
    if poses is not None:
        T_camera0_camera = read_kitti_poses(poses)
        if len(T_camera0_camera) != len(image_paths):
            raise DatasetError(
                f'{images} has {len(image_paths)} images but {poses} {len(T_camera0_camera)} poses: give one an image.'
            )
        truth = ground_truth(stamps_ns, T_camera0_camera, T_base_camera)
    return FileDrive(
        image_paths,
        stamps_ns,
        ImuReadings(spread_stamps(stamps_ns), values),
        kitti_rig(T_base_camera, intrinsics, size, 'intrinsics'),
        truth,
        notes=(*notes, *_interpolation_note(values)),
    )


def _interpolation_note(values: FloatArray) -> tuple[str, ...]:
    runs = interpolated_intervals(values)
    if not runs:
        return ()
    places = ', '.join(f'{first}-{last}' for first, last in runs)
    count = sum(last - first for first, last in runs)
    return (f'In {count} image intervals the IMU file only interpolates over a gap: images {places}.',)
