"""A rig from KITTI's calibration, once its matrices are read. The base is the OXTS unit, which is the IMU."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig import Rig, RigPart
from atvio_ros.types import FloatArray

Intrinsics: TypeAlias = tuple[float, float, float, float]  # fx, fy, cx, cy [px]; integer coordinates: pixel centres

CAMERA_HEIGHT = 1.65  # m (Geiger et al., IJRR 2013)
GYRO_LAG = 0.066  # s, fitted to ground truth
ACCELEROMETER_LAG = 0.015  # s


def kitti_part(
    T_base_camera: FloatArray,
    intrinsics: Intrinsics | None,
    width: int,
    height: int,
    source: str = 'calibration of KITTI',
) -> RigPart:
    """The rectified camera at T_base_camera (4, 4) with intrinsics fx, fy, cx, cy [px] of width x height images."""
    camera = None
    if intrinsics is not None:
        fx, fy, cx, cy = intrinsics
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        camera = CameraModel(width, height, K, where=source)
    return RigPart(
        source,
        camera=camera,
        T_base_camera=T_base_camera,
        T_base_imu=np.eye(4),
        camera_height=CAMERA_HEIGHT,
        gyro_lag=GYRO_LAG,
        accelerometer_lag=ACCELEROMETER_LAG,
    )


def kitti_rig(T_base_camera: FloatArray, intrinsics: Intrinsics | None, size: tuple[int, int], source: str) -> Rig:
    """The car of KITTI, whole, from what kitti_part takes; `size` of the images: width, height [px]."""
    return combine([kitti_part(T_base_camera, intrinsics, *size, source)]).rig
