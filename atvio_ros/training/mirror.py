"""Mirrored training samples: what camera and IMU would have seen in a world reflected left to right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atvio_ros.network.config import AtvioConfig

# Reflection M = diag(-1, 1, 1) of the optical frame (x right). A motion T becomes M T M: tx changes its sign, and
# from M Rz(y) Ry(p) Rx(r) M = Rz(-y) Ry(-p) Rx(r) so do pitch (about y: the car's yaw) and yaw (about z: its roll).
MOTION_SIGNS = np.array([-1.0, 1.0, 1.0, 1.0, -1.0, -1.0], dtype=np.float32)


class Mirror:
    """Reflects IMU readings and motions across the camera's vertical plane; images are flipped by whoever holds them.

    The image plane is reflected about its middle column, which is not quite the principal point (KITTI: 5 px of 416).
    """

    def __init__(self, config: AtvioConfig) -> None:
        R_camera_imu = np.array(config.R_camera_imu)
        reflection = R_camera_imu.T @ np.diag([-1.0, 1.0, 1.0]) @ R_camera_imu  # in the IMU's axes
        self._reflection = reflection.astype(np.float32)
        self._gyro_bias = np.array(config.gyro_bias, dtype=np.float32)

    def motion(self, motion: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 6) as geometry.encode_motion."""
        return motion * MOTION_SIGNS

    def imu(self, imu: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 6) wx wy wz, ax ay az in base_link's axes: ay, wx and wz change their sign if the camera looks along x.

        Acceleration is a vector, angular velocity an axial one: its reflection has the other sign. The gyro's bias
        belongs to the sensor and stays as it is.
        """
        gyro = (imu[..., :3] - self._gyro_bias) @ -self._reflection + self._gyro_bias
        return np.concatenate((gyro, imu[..., 3:] @ self._reflection), axis=-1)
