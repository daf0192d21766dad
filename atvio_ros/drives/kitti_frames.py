"""Where KITTI's sensors sit, and its ground truth as poses of our frames (Geiger et al., IJRR 2013).

base_link = imu_link = the OXTS unit (x forward, y left, z up); the camera is optical; odom is base_link at the first
image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from atvio_ros.drives.prepare import poses_at
from atvio_ros.geodesy import east_north_up
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


def oxts_truth(oxts_ns: NDArray[np.int64], packets: FloatArray, stamps_ns: NDArray[np.int64]) -> Trajectory | None:
    """base_link at images (N,), from OXTS packets (M, 6 or more) at their stamps (M,); None where they tell nothing.

    A packet begins with latitude, longitude [deg], altitude [m], roll, pitch, yaw [rad], yaw counterclockwise from
    east (KITTI raw's dataformat.txt); odom is base_link at the first image that has a pose.
    """
    known = np.isfinite(packets[:, :6]).all(axis=1)
    oxts_ns, packets = oxts_ns[known], packets[known]
    unique_ns, first = np.unique(oxts_ns, return_index=True)
    rows = packets[first]
    if len(unique_ns) < 2:
        return None
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler('ZYX', rows[:, [5, 4, 3]]).as_matrix()
    poses[:, :3, 3] = east_north_up(rows[:, :3])
    at_images = poses_at(Trajectory(unique_ns, poses), stamps_ns)
    known = np.isfinite(at_images).all(axis=(1, 2))
    if not known.any():
        return None
    return Trajectory(stamps_ns[known], inverse(at_images[known][0]) @ at_images[known])
