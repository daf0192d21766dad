"""Rules of the synthetic motion and IMU: what is drawn, what is simulated, and what a recording replaces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.errors import DatasetError, ImuError, SettingsError, TrajectoryError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, rotation_angle
from atvio_ros.rendering import DriveSettings, ImuSettings, kitti_intrinsics, synthesize
from atvio_ros.rendering.imu import simulate_imu
from atvio_ros.rendering.route import random_drive
from atvio_ros.rendering.trajectory import Motion, nominal_camera
from atvio_ros.trajectory_files import write_kitti_poses
from atvio_ros.types import NANOSECONDS

PERFECT = ImuSettings(
    gyro_delay=0.0,
    accelerometer_delay=0.0,
    gyro_noise=0.0,
    accelerometer_noise=0.0,
    gyro_bias=0.0,
    accelerometer_bias=0.0,
    gyro_vibration=0.0,
    accelerometer_vibration=0.0,
)


@pytest.fixture
def perfect():
    return synthesize(DriveSettings(seed=5, length=300.0, imu_errors=PERFECT))


@pytest.fixture
def recorded(tmp_path):
    """Files of a drive as KITTI gives them: poses, times and ten IMU rows per image interval."""
    drive = synthesize(DriveSettings(seed=8, length=60.0))
    files = {name: tmp_path / f'{name}.txt' for name in ('poses', 'times', 'imu')}
    write_kitti_poses(files['poses'], drive.camera_poses)
    np.savetxt(files['times'], (drive.stamps_ns - drive.stamps_ns[0]) / NANOSECONDS, fmt='%.9f')
    np.savetxt(files['imu'], drive.imu.values[:, [3, 4, 5, 0, 1, 2]])
    return drive, files


def test_integrating_a_perfect_gyro_gives_the_true_rotation(perfect):
    step_s = np.diff(perfect.imu.stamps_ns) / NANOSECONDS
    gyro = perfect.imu.values[:, :3]
    rotation = Rotation.identity()
    for vector in (gyro[1:] + gyro[:-1]) / 2 * step_s[:, None]:
        rotation = rotation * Rotation.from_rotvec(vector)
    error = rotation_angle(rotation.as_matrix().T @ perfect.truth.poses[-1, :3, :3])
    assert np.degrees(error) < 0.05


def test_integrating_a_perfect_imu_gives_the_true_position(perfect):
    times_s = (perfect.imu.stamps_ns - perfect.imu.stamps_ns[0]) / NANOSECONDS
    T_world_base = perfect.motion.poses(times_s)
    force = np.einsum('nij,nj->ni', T_world_base[:, :3, :3], perfect.imu.values[:, 3:]) - (0.0, 0.0, 9.81)
    step_s = np.diff(times_s)[:, None]
    start = (T_world_base[1, :3, 3] - T_world_base[0, :3, 3]) / step_s[0] - force[0] * step_s[0] / 2
    velocity = start + np.concatenate((np.zeros((1, 3)), np.cumsum((force[1:] + force[:-1]) / 2 * step_s, axis=0)))
    travelled = np.cumsum((velocity[1:] + velocity[:-1]) / 2 * step_s, axis=0)
    true = T_world_base[1:, :3, 3] - T_world_base[0, :3, 3]
    assert np.abs(travelled - true)[:300].max() < 0.02  # 3 s


def test_a_level_car_at_rest_reads_gravity_upwards():
    times_s = np.arange(0.0, 2.0, 0.1)
    still = Motion(times_s, np.tile(np.eye(4), (20, 1, 1)))
    stamps_ns = np.arange(0, 10**9, 10**7)
    values = simulate_imu(still, stamps_ns, PERFECT, np.random.default_rng(0))
    np.testing.assert_allclose(values, np.tile((0, 0, 0, 0, 0, 9.81), (100, 1)), atol=1e-9)


def test_the_gyro_lags_by_its_delay_and_the_accelerometer_by_its_own(perfect):
    rng = np.random.default_rng(0)
    late = simulate_imu(perfect.motion, perfect.imu.stamps_ns, replace(PERFECT, gyro_delay=0.065), rng)
    times_s = (perfect.imu.stamps_ns - perfect.imu.stamps_ns[0]) / NANOSECONDS
    np.testing.assert_allclose(late[:, :3], perfect.motion.angular_velocity(times_s - 0.065), atol=1e-12)
    np.testing.assert_allclose(late[:, 3:], perfect.imu.values[:, 3:], atol=1e-12)


def test_one_reading_falls_on_every_image_and_nine_between(perfect):
    assert len(perfect.imu) == 10 * (len(perfect) - 1) + 1
    np.testing.assert_array_equal(perfect.imu.stamps_ns[::10], perfect.stamps_ns)
    assert (np.diff(perfect.imu.stamps_ns) > 9_000_000).all()


@pytest.mark.parametrize('seed', range(6))
def test_a_procedural_drive_moves_like_a_car(seed):
    motion = random_drive(1500.0, np.random.default_rng(seed), 0.92)
    times_s = np.arange(0.0, motion.times_s[-1], 0.05)
    speed = motion.speed(times_s)
    assert speed.min() >= 0.0
    assert speed.max() < 29.0
    force = motion.specific_force(times_s)
    assert np.abs(force[:, 1]).max() < 5.0  # m/s^2 sideways, road slope and bounce included
    assert np.degrees(np.abs(motion.angular_velocity(times_s)[:, 2])).max() < 60.0
    forward = motion.poses(times_s)[:, 2, 0]
    assert np.abs(forward).max() < 0.16  # slope


def test_image_intervals_are_like_kittis_or_exactly_a_tenth():
    jittered = np.diff(synthesize(DriveSettings(length=100.0)).stamps_ns) / NANOSECONDS
    assert 0.098 <= jittered.min() < jittered.max() <= 0.1094
    exact = np.diff(synthesize(DriveSettings(length=100.0, jitter=False)).stamps_ns)
    assert (exact == 100_000_000).all()


def test_the_same_seed_gives_the_same_motion_and_imu_and_another_seed_does_not():
    one, same, other = (synthesize(DriveSettings(seed=seed, length=80.0)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.imu.values, same.imu.values)
    np.testing.assert_array_equal(one.camera_poses, same.camera_poses)
    assert len(one) != len(other) or not np.array_equal(one.camera_poses, other.camera_poses)


def test_ground_truth_of_base_and_camera_agree(perfect):
    T_base_camera = perfect.rig.T_base_camera
    chained = T_base_camera @ perfect.camera_poses @ inverse(T_base_camera)
    np.testing.assert_allclose(chained, perfect.truth.poses, atol=1e-9)
    np.testing.assert_array_equal(nominal_camera((0, 0, 0), (0, 0, 0))[:3, :3], R_BODY_OPTICAL)


def test_a_given_trajectory_is_driven_exactly(recorded):
    original, files = recorded
    drive = synthesize(DriveSettings(poses=files['poses'], times=files['times']))
    np.testing.assert_allclose(drive.camera_poses, original.camera_poses, atol=1e-7)
    np.testing.assert_array_equal(np.diff(drive.stamps_ns), np.diff(original.stamps_ns))


def test_a_recorded_imu_replaces_the_simulation(recorded):
    original, files = recorded
    drive = synthesize(DriveSettings(poses=files['poses'], times=files['times'], imu=files['imu']))
    np.testing.assert_allclose(drive.imu.values, original.imu.values, atol=1e-9)


def test_an_imu_file_that_is_too_short_is_refused(recorded):
    _, files = recorded
    np.savetxt(files['imu'], np.zeros((50, 6)))
    with pytest.raises(ImuError, match='need'):
        synthesize(DriveSettings(poses=files['poses'], times=files['times'], imu=files['imu']))


def test_files_that_do_not_belong_together_are_refused(recorded):
    _, files = recorded
    with pytest.raises(SettingsError, match='belong together'):
        synthesize(DriveSettings(poses=files['poses']))
    with pytest.raises(SettingsError, match='--imu needs'):
        synthesize(DriveSettings(imu=files['imu']))
    np.savetxt(files['times'], np.arange(3.0))
    with pytest.raises(TrajectoryError, match='3 times'):
        synthesize(DriveSettings(poses=files['poses'], times=files['times']))
    with pytest.raises(DatasetError, match='There is no nowhere'):
        synthesize(DriveSettings(poses=files['poses'], times=Path('nowhere')))


def test_intrinsics_scale_with_the_pixel_area():
    fx, fy, cx, cy = kitti_intrinsics(416, 128)
    assert (fx, fy) == pytest.approx((240.97, 244.72), abs=0.01)
    assert (cx + 0.5) / 416 == pytest.approx((607.1928 + 0.5) / 1241)
    assert (cy + 0.5) / 128 == pytest.approx((185.2157 + 0.5) / 376)
