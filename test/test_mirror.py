"""Mirrored samples obey physics: what camera and IMU would have recorded in a world reflected left to right."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import compose, decode_motion
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.pose_head import integrate_gyro
from atvio_ros.training.mirror import Mirror

CONFIG = AtvioConfig(image_height_px=32, image_width_px=64, image_channels=1)
M = np.diag([-1.0, 1.0, 1.0, 1.0])  # reflection of the optical frame, left to right


def tilted_config():
    """A camera that does not look quite along the vehicle, and a biased gyro."""
    tilt = Rotation.from_euler('xyz', [0.02, -0.03, 0.05]).as_matrix()
    R = tilt @ np.array(CONFIG.R_camera_imu)
    return dataclasses.replace(CONFIG, R_camera_imu=tuple(map(tuple, R.tolist())), gyro_bias=(0.01, -0.02, 0.03))


def test_mirrored_trajectory_is_the_reflection_of_the_trajectory():
    rng = np.random.default_rng(0)
    motion = rng.normal(0.0, [0.1, 0.1, 1.0, 0.05, 0.2, 0.05], (20, 6))
    mirrored = Mirror(CONFIG).motion(motion)
    np.testing.assert_allclose(compose(decode_motion(mirrored)), M @ compose(decode_motion(motion)) @ M, atol=1e-12)


def test_mirrored_imu_negates_ay_wx_wz():
    values = np.arange(1.0, 7.0, dtype=np.float32)
    np.testing.assert_allclose(Mirror(CONFIG).imu(values), [-1.0, 2.0, -3.0, 4.0, -5.0, 6.0], atol=1e-6)


def test_mirrored_gyro_turns_the_camera_by_the_mirrored_rotation():
    """Also where the camera does not look straight ahead and the gyro is biased."""
    config = tilted_config()
    gyro = np.random.default_rng(1).normal(0.0, 0.5, (11, 6)).astype(np.float32)
    R_camera_imu, bias = torch.tensor(config.R_camera_imu), torch.tensor(config.gyro_bias)

    def camera_rotation(imu):
        rates = torch.from_numpy(np.asarray(imu, dtype=np.float32))[:, :3] - bias
        return R_camera_imu @ integrate_gyro(rates, torch.tensor(0.1)) @ R_camera_imu.T

    expected = M[:3, :3] @ camera_rotation(gyro).numpy() @ M[:3, :3]
    np.testing.assert_allclose(camera_rotation(Mirror(config).imu(gyro)), expected, atol=1e-6)


def test_a_left_bend_mirrored_reads_as_a_right_bend():
    """Level drive to the left: yaw rate and centripetal acceleration positive on z and y, gravity stays."""
    left = np.tile(np.array([0.0, 0.0, 0.3, 0.5, 2.7, 9.81], dtype=np.float32), (11, 1))
    right = np.tile(np.array([0.0, 0.0, -0.3, 0.5, -2.7, 9.81], dtype=np.float32), (11, 1))
    np.testing.assert_allclose(Mirror(CONFIG).imu(left), right, atol=1e-6)


@pytest.mark.parametrize('config', [CONFIG, tilted_config()])
def test_mirroring_twice_changes_nothing(config):
    rng = np.random.default_rng(2)
    imu, motion = rng.normal(size=(4, 11, 6)).astype(np.float32), rng.normal(size=(4, 6)).astype(np.float32)
    mirror = Mirror(config)
    np.testing.assert_allclose(mirror.imu(mirror.imu(imu)), imu, atol=1e-5)
    np.testing.assert_array_equal(mirror.motion(mirror.motion(motion)), motion)
