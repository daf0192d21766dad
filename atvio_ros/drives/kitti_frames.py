"""Where KITTI's sensors sit, and its ground truth as poses of our frames (Geiger et al., IJRR 2013).

base_link = imu_link = the OXTS unit (x forward, y left, z up); the camera is optical; odom is base_link at the first
image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atvio_ros.geometry import R_BODY_OPTICAL, inverse, nearest_rotation, transform
from atvio_ros.types import FloatArray, Trajectory

# The left grey camera of every KITTI drive, to a few centimetres and 1 degree; calibration files say it better.
T_BASE_CAMERA_NOMINAL = transform(R_BODY_OPTICAL, np.array([1.08, -0.32, 0.73]))


def ground_truth(stamps_ns: NDArray[np.int64], T_camera0_camera: FloatArray, T_base_camera0: FloatArray) -> Trajectory:
    """base_link in odom, from KITTI poses (N, 4, 4): those of the left grey camera, 0, in its first place.

    Rotations printed with few digits are made exact ones; odom is base_link at the first pose.
    """
    poses = T_camera0_camera.copy()
    poses[:, :3, :3] = nearest_rotation(poses[:, :3, :3])
    return Trajectory(stamps_ns, T_base_camera0 @ inverse(poses[0]) @ poses @ inverse(T_base_camera0))
