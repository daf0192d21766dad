"""KITTI's calibration files (calib_*.txt of a recording day)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from atvio_ros.drives.kitti_frames import T_BASE_CAMERA_NOMINAL
from atvio_ros.drives.text_files import read_text
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import inverse, nearest_rotation, transform, translation
from atvio_ros.image_size import check_image_size
from atvio_ros.rig.kitti import Intrinsics
from atvio_ros.types import FloatArray, ImageArray

LARGEST_ENTRY = 1e6  # of a projection matrix [px]
_ANOTHER_DAY = 0.05  # KITTI's days differ by up to 1.3 % in width


@dataclass(frozen=True)
class Calibration:
    """Where the cameras sit and how they see, as far as a day's files tell."""

    T_base_camera0: FloatArray  # left grey camera, rectified where the files say how; ground truth is its motion
    T_base_camera: FloatArray  # the camera that is exported
    intrinsics: Intrinsics | None  # of the rectified images
    size: tuple[int, int]  # of these: width, height [px]; 0 where not known
    rectify: Callable[[ImageArray], ImageArray] | None  # distorted image -> rectified image
    notes: tuple[str, ...]


def read_calibration(folder: Path, camera: str) -> Calibration:
    """Calibration of `camera` ('00' .. '03') from a folder like 2011_10_03.

    Missing files are replaced: the camera's place by the nominal one, its rectification by none, and notes say so.
    Raises DatasetError on malformed files.
    """
    notes: list[str] = []
    T_base_camera0 = T_BASE_CAMERA_NOMINAL
    imu_to_velo, velo_to_cam = folder / 'calib_imu_to_velo.txt', folder / 'calib_velo_to_cam.txt'
    placed = imu_to_velo.exists() and velo_to_cam.exists()
    if placed:
        T_base_camera0 = inverse(_read_pose(velo_to_cam) @ _read_pose(imu_to_velo))
    else:
        notes.append(
            f'{folder} lacks calib_imu_to_velo.txt or calib_velo_to_cam.txt: the camera is placed nominally, to a few '
            'centimetres and 1 degree.'
        )
    cam_to_cam = folder / 'calib_cam_to_cam.txt'
    if not cam_to_cam.exists():
        notes.append(f'{folder} lacks calib_cam_to_cam.txt: no rectification, and no intrinsics unless given.')
        return Calibration(T_base_camera0, T_base_camera0, None, (0, 0), None, tuple(notes))
    table = _read_table(cam_to_cam)
    if placed:  # the nominal place is that of the rectified camera
        T_base_camera0 = T_base_camera0 @ inverse(transform(_rotation(table, cam_to_cam, 'R_rect_00'), np.zeros(3)))
    P = _matrix(table, cam_to_cam, f'P_rect_{camera}', (3, 4))
    width, height = _matrix(table, cam_to_cam, f'S_rect_{camera}', (2,))
    check_image_size(width, height, DatasetError, f'{cam_to_cam}: S_rect_{camera}', drawn=True)
    size = int(width), int(height)
    if np.abs(P).max() > LARGEST_ENTRY or min(P[0, 0], P[1, 1]) < 1.0 or P[2, 2] != 1.0 or np.tril(P[:, :3], -1).any():
        raise DatasetError(
            f'{cam_to_cam}: P_rect_{camera} is no projection: fx and fy must be over 1 px, '
            'what is below them 0, and its last row 0 0 1 z.'
        )
    # P = K [I | t] maps the rectified camera 0 to pixels of this one, so t is camera 0 seen from it.
    T_camera_camera0 = translation(*np.linalg.solve(P[:, :3], P[:, 3]))
    return Calibration(
        T_base_camera0,
        T_base_camera0 @ inverse(T_camera_camera0),
        (float(P[0, 0]), float(P[1, 1]), float(P[0, 2]), float(P[1, 2])),
        size,
        _rectifier(table, cam_to_cam, camera, P, size),
        tuple(notes),
    )


def check_size(calibrated: tuple[int, int], images: tuple[int, int], where: str) -> None:
    """Refuse the calibration of another recording day, whose images are a few pixels larger or smaller.

    Sizes are (width, height) [px]. Images that are clearly scaled are let pass. Raises DatasetError.
    """
    ratio = images[0] / max(1, calibrated[0])
    if calibrated != images and abs(ratio - 1.0) < _ANOTHER_DAY:
        raise DatasetError(
            f'{where} has the calibration of {calibrated[0]}x{calibrated[1]} images, these have '
            f'{images[0]}x{images[1]}: it is of another day. Take the calib_*.txt of the day of the drive.'
        )


def _rectifier(
    table: dict[str, FloatArray], path: Path, camera: str, P: FloatArray, size: tuple[int, int]
) -> Callable[[ImageArray], ImageArray]:
    """The mapping with which KITTI made the images of its synced drives."""
    columns, rows = cv2.initUndistortRectifyMap(
        _matrix(table, path, f'K_{camera}', (3, 3)),
        _matrix(table, path, f'D_{camera}', (5,)),
        _rotation(table, path, f'R_rect_{camera}'),
        P[:, :3],
        size,
        cv2.CV_32FC1,
    )
    return lambda image: np.asarray(cv2.remap(image, columns, rows, cv2.INTER_LINEAR), dtype=np.uint8)


def _read_pose(path: Path) -> FloatArray:
    """T_to_from (4, 4) of a calib_FROM_to_TO.txt."""
    table = _read_table(path)
    return transform(_rotation(table, path, 'R'), _matrix(table, path, 'T', (3,)))


def _read_table(path: Path) -> dict[str, FloatArray]:
    """`name: numbers` lines; others, like calib_time, are left out."""
    table: dict[str, FloatArray] = {}
    for line in read_text(path, 'a KITTI calibration file').splitlines():
        name, _, words = line.partition(':')
        try:
            table[name.strip()] = np.array([float(word) for word in words.split()])
        except ValueError:
            continue
    return table


def _matrix(table: dict[str, FloatArray], path: Path, name: str, shape: tuple[int, ...]) -> FloatArray:
    values = table.get(name)
    if values is None or values.size != np.prod(shape) or not np.isfinite(values).all():
        raise DatasetError(
            f'{path} has no line `{name}:` with {np.prod(shape)} numbers. Is it a KITTI calibration file? Give one.'
        )
    return values.reshape(shape)


def _rotation(table: dict[str, FloatArray], path: Path, name: str) -> FloatArray:
    return nearest_rotation(_matrix(table, path, name, (3, 3)))
