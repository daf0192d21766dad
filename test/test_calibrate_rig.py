"""A robot is calibrated from a drive: what the drive shows is found, what it does not show is left out and named."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from samples.street import Street
from scipy.spatial.transform import Rotation

from atvio_ros.calibration.gyro_mounting import GyroMounting, fit_mounting
from atvio_ros.calibration.gyro_recording import RotationPairs
from atvio_ros.calibration.jackknife import jackknife
from atvio_ros.calibration.travel import fit_height, mean_direction
from atvio_ros.cli.main import main
from atvio_ros.errors import CalibrationError, ImuError
from atvio_ros.geometry import R_BODY_OPTICAL, rotation_angle
from atvio_ros.rig.rig import DirectionOfTravel, RigPart
from atvio_ros.rig.rig_yaml import read_rig

R_CAMERA_BASE = R_BODY_OPTICAL.T
DOWN = np.array([0.0, 1.0, 0.0])
TILTED = Rotation.from_euler('zyx', [4.0, -5.0, 6.0], degrees=True).as_matrix()


def fitted(R_base_imu: np.ndarray, shaking: float = 0.01, noise: float = 2e-4, **options) -> GyroMounting:
    """Fit to the exact rotations of a street drive, nominal mounting: IMU axes are base axes."""
    street = Street(seconds=30.0, R_base_imu=R_base_imu, shaking=shaking, **options)
    R, _, _ = street.motion()
    at = np.arange(1000, len(R) - 1000, 100)
    seen = Rotation.from_matrix(np.swapaxes(R[at[:-1]], 1, 2) @ R[at[1:]]).as_rotvec() @ R_CAMERA_BASE.T
    rng = np.random.default_rng(3)
    seen = seen + rng.normal(0.0, noise, seen.shape)
    turn = Rotation.from_matrix(np.swapaxes(R[:-1], 1, 2) @ R[1:]).as_rotvec() * 1000.0
    ms = np.arange(200, len(R) - 200, 10)
    felt = turn[ms - street.gyro_lag_ms] @ R_base_imu + street.gyro_bias + rng.normal(0.0, 1e-3, (len(ms), 3))
    ns = (at - 1000) * 1_000_000
    return fit_mounting(RotationPairs(ns[:-1], ns[1:], seen), (ms - 1000) * 1_000_000, felt, R_CAMERA_BASE, DOWN)


@pytest.mark.parametrize('R_base_imu', [np.eye(3), TILTED, np.diag([-1.0, -1.0, 1.0]), np.eye(3)[[1, 2, 0]]])
def test_lag_mounting_and_bias_are_found_together_however_the_imu_sits(R_base_imu):
    found = fitted(R_base_imu)
    assert found.lag_s == pytest.approx(0.040, abs=max(4 * found.lag_sigma_s, 1.5e-3))
    assert found.observed.all()
    assert np.degrees(rotation_angle(found.R_camera_imu @ (R_CAMERA_BASE @ R_base_imu).T)) < 0.3
    assert np.degrees(found.rotation_sigma).max() < 0.2
    np.testing.assert_allclose(found.bias, Street().gyro_bias, atol=1e-3)
    assert found.explained > 0.98


def test_a_robot_that_only_turns_on_the_spot_does_not_show_the_mounting_about_that_axis():
    found = fitted(np.eye(3), shaking=1e-5)
    assert found.observed.tolist() == [True, False, True]
    assert np.isinf(found.rotation_sigma[1])
    assert np.degrees(rotation_angle(found.R_camera_imu @ R_CAMERA_BASE.T)) < 0.3


def test_a_robot_that_does_not_turn_shows_nothing():
    with pytest.raises(ImuError, match=r'turns too little|explains'):
        fitted(np.eye(3), shaking=1e-5, turning=1e-4)


def test_standard_errors_cover_the_truth():
    """Over eight recordings the error of the lag is about what is said."""
    errors = [
        (found.lag_s - 0.040) / found.lag_sigma_s for found in (fitted(np.eye(3), noise=1e-3, seed=k) for k in range(8))
    ]
    assert 0.2 < np.sqrt(np.mean(np.square(errors))) < 4.0


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(0.0, 2.0, 5000)
    sigma = jackknife(lambda kept: np.array(values[kept].mean()), len(values))
    assert sigma == pytest.approx(2.0 / np.sqrt(5000), rel=0.6)


def test_the_mean_direction_is_not_turned_by_bumps():
    rng, true = np.random.default_rng(0), DirectionOfTravel(0.05, -0.02)
    pitch, yaw = 0.05 + rng.normal(0.0, 0.004, 400), -0.02 + rng.normal(0.0, 0.004, 400)
    pitch[100:105] += 0.3
    vectors = np.array([DirectionOfTravel(p, y).vector for p, y in zip(pitch, yaw, strict=True)])
    found = mean_direction(vectors)
    assert found.pitch == pytest.approx(true.pitch, abs=5 * found.pitch_sigma)
    assert found.yaw == pytest.approx(true.yaw, abs=5 * found.yaw_sigma)
    assert found.pitch_sigma < 1e-3
    with pytest.raises(CalibrationError, match='50 are needed'):
        mean_direction(vectors[:20])


def test_the_height_is_the_ratio_of_distances():
    rng = np.random.default_rng(0)
    estimated_h = rng.uniform(0.5, 1.0, 300)
    height, sigma = fit_height(1.3 * estimated_h * rng.normal(1.0, 0.05, 300), estimated_h)
    assert height == pytest.approx(1.3, abs=4 * sigma)
    assert sigma < 0.02
    with pytest.raises(CalibrationError, match='too short'):
        fit_height(np.ones(3), np.ones(3))


@pytest.fixture(scope='module')
def bags(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('streets')
    Street(turning=0.12).write(folder / 'given')
    Street(turning=0.12, R_base_imu=TILTED).write(folder / 'turned', truth=False)
    return folder


def test_a_bag_with_ground_truth_gives_the_whole_robot(bags, tmp_path, capsys):
    out = tmp_path / 'rig.yaml'
    assert main(['calibrate-rig', str(bags / 'given'), '--out', str(out), '--json']) == 0
    result, part = json.loads(capsys.readouterr().out), read_rig(out)
    assert result['reference'] == 'truth'
    assert part.gyro_lag == pytest.approx(0.040, abs=1e-3)
    np.testing.assert_allclose(part.gyro_bias, Street().gyro_bias, atol=5e-4)
    assert part.camera_height == pytest.approx(1.2, abs=max(3 * result['camera_height']['standard_error'], 0.03))
    assert part.direction_of_travel is not None
    assert np.degrees(part.direction_of_travel.pitch) == pytest.approx(-3.0, abs=0.4)
    assert part.camera is None  # it was not measured, and nobody gave it


@pytest.fixture(scope='module')
def by_images(bags, tmp_path_factory) -> tuple[str, RigPart]:
    """What is said and found of a bag without ground truth."""
    out, said = tmp_path_factory.mktemp('rig') / 'rig.yaml', io.StringIO()
    with redirect_stdout(said):
        assert main(['calibrate-rig', str(bags / 'turned'), '--out', str(out)]) == 0
    return said.getvalue(), read_rig(out)


def test_a_bag_without_ground_truth_says_that_images_have_no_scale(by_images):
    said, part = by_images
    assert 'images have no scale' in said
    assert part.camera_height is None
    assert part.T_base_imu is not None
    assert np.degrees(rotation_angle(part.T_base_imu[:3, :3] @ TILTED.T)) < 1.0


def test_what_was_given_stays(bags, by_images, tmp_path):
    given, out = tmp_path / 'given.yaml', tmp_path / 'rig.yaml'
    given.write_text('camera_height: 1.21\nimu_time_offset: 0.01\n')
    assert main(['calibrate-rig', str(bags / 'turned'), '--rig', str(given), '--out', str(out)]) == 0
    part = read_rig(out)
    assert (part.camera_height, part.imu_time_offset) == (1.21, 0.01)
    assert part.gyro_lag == pytest.approx(0.050, abs=10e-3)  # OpenCV 4.5 is off by 8 ms, newer ones by less than 1
    assert part.gyro_lag - by_images[1].gyro_lag == pytest.approx(0.010, abs=1e-3)  # stamps are 10 ms later now


def test_the_wrong_search_range_is_refused(bags, tmp_path, capsys):
    assert main(['calibrate-rig', str(bags / 'given'), '--out', str(tmp_path / 'rig.yaml'), '--search', '60']) == 1
    assert '--search must be' in capsys.readouterr().err
