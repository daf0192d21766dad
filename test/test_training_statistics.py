"""What a network's configuration takes from the training data: normalisation, and the gyro's lag, mounting and bias."""

import dataclasses

import numpy as np
import pytest
from samples.prepared import write_prepared

from atvio_ros.calibration.gyro_fit import fit_gyro
from atvio_ros.network.config import AtvioConfig
from atvio_ros.rig.rig_yaml import RigSettings
from atvio_ros.training.dataset import open_split
from atvio_ros.training.gyro_calibration import calibrated, gyro_recordings
from atvio_ros.training.normalisation import normalised
from atvio_ros.training.settings import DataSettings

CONFIG = AtvioConfig(image_height_px=32, image_width_px=64, image_channels=1)
GYRO = dataclasses.replace(CONFIG, rotation='gyro_residual')


def test_normalisation_is_that_of_the_training_part_alone(tmp_path):
    write_prepared(tmp_path / 'a', frames=60)
    split = open_split(tmp_path, DataSettings(validation_share=0.5), CONFIG, 1)
    config, notes = normalised(CONFIG, split)
    motion = split.sequences[0][1].motion[:29].astype(np.float64)  # pairs among the first 30 images
    np.testing.assert_allclose(
        np.array(config.motion_std)[[2, 4]], np.sqrt((motion**2).mean(axis=0))[[2, 4]], rtol=1e-5
    )
    assert config.imu_mean[5] == pytest.approx(9.81, abs=1e-3)
    assert notes == (
        'Motion in y, roll, yaw was not observed: motion_std has its least value there, which is not fitted.',
    )


def test_a_drive_that_does_not_turn_leaves_lag_and_mounting_as_they_were(tmp_path):
    """Its gyro shows noise and a bias: the fit would find any lag and call it fitted."""
    sequence = write_prepared(tmp_path / 'straight', frames=80)
    poses = np.array(sequence.camera_poses)
    poses[:, :3, :3] = poses[0, :3, :3]
    poses[:, :3, 3] = poses[0, :3, 3] + np.arange(80)[:, None] * [0.9, 0.0, 0.0]
    np.save(sequence.folder / 'camera_poses.npy', poses)
    imu = np.array(sequence.imu)
    imu[:, :3] = np.random.default_rng(0).normal([0.0, 0.0, 0.01], 1e-3, (len(imu), 3))
    np.save(sequence.folder / 'imu.npy', imu)
    nominal = dataclasses.replace(GYRO, gyro_lag_s=0.031)
    config, notes = calibrated(nominal, open_split(tmp_path, DataSettings(), nominal, 1))
    assert (config.gyro_lag_s, config.R_camera_imu) == (0.031, nominal.R_camera_imu)
    assert config.gyro_bias[2] == pytest.approx(0.01, abs=1e-3)
    assert 'lag and mounting of the gyro: both stay as they were' in notes[0]


def test_a_drive_on_the_flat_does_not_tell_how_the_gyro_is_turned_about_the_vertical(tmp_path):
    write_prepared(tmp_path / 'a', frames=200, gyro_lag_s=0.06)
    config, notes = calibrated(GYRO, open_split(tmp_path, DataSettings(), GYRO, 1))
    assert config.gyro_lag_s == pytest.approx(0.06, abs=2e-3)
    assert 'turn about one axis only' in notes[0]


def test_gyro_fit_finds_the_lag_that_was_put_in(tmp_path):
    write_prepared(tmp_path / 'a', frames=200, gyro_lag_s=0.06)
    fit = fit_gyro(gyro_recordings(open_split(tmp_path, DataSettings(), CONFIG, 1)), np.array(CONFIG.R_camera_imu))
    assert fit.lag_s == pytest.approx(0.06, abs=2e-3)
    np.testing.assert_allclose(fit.R_camera_imu, CONFIG.R_camera_imu, atol=2e-3)
    np.testing.assert_allclose(fit.bias, 0.0, atol=1e-3)


def test_gyro_fit_finds_what_the_rig_leaves_of_lag_and_bias(tmp_path):
    rig = RigSettings(gyro_lag=0.055, imu_time_offset=-0.005, gyro_bias=(0.0, 0.0, 0.02))
    write_prepared(tmp_path / 'a', frames=200, gyro_lag_s=0.06, rig=rig)
    fit = fit_gyro(gyro_recordings(open_split(tmp_path, DataSettings(), GYRO, 1)), np.array(CONFIG.R_camera_imu))
    assert fit.lag_s == pytest.approx(0.0, abs=2e-3)
    np.testing.assert_allclose(fit.bias, [0.0, 0.0, -0.02], atol=1e-3)


def test_gyro_fit_takes_sequences_together(tmp_path):
    """One of them has no pairs at all: a drive that is kept for validation."""
    for i, name in enumerate(('a', 'b', 'held_out')):
        write_prepared(tmp_path / name, frames=100, seed=i, gyro_lag_s=0.03)
    recordings = gyro_recordings(open_split(tmp_path, DataSettings(validation_sequences=('held_out',)), CONFIG, 1))
    assert [len(recording.pairs) for recording in recordings] == [89, 89, 0]
    assert fit_gyro(recordings, np.array(CONFIG.R_camera_imu)).lag_s == pytest.approx(0.03, abs=2e-3)
