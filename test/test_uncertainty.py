"""Covariances: what they say is what many noisy drives do, white and slow errors alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.calibration.noise_fit import MotionErrors, fit_noise, motion_errors
from atvio_ros.calibration.noise_remarks import fit_remarks
from atvio_ros.evaluation.consistency import MatchedDrive, consistency
from atvio_ros.geometry import compose, transform
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.uncertainty import PoseUncertainty, unseen_variance

NOISE = MotionNoise(
    translation_floor_m=(0.004, 0.002, 0.001),
    translation_share=(0.01, 0.005, 0.005),
    rotation_floor_rad=(2e-4, 2e-4, 2e-4),
    rotation_turn=(0.0, 0.0, 0.01),
    scale=(0.04, 0.01, 0.01),
    scale_length_m=(60.0, 60.0, 60.0),
    creep=(0.05, 0.02, 0.01),
    creep_time_s=(5.0, 5.0, 5.0),
    drift=(2e-4, 2e-4, 5e-4),
    drift_time_s=(30.0, 30.0, 30.0),
)


def bend(steps: int) -> np.ndarray:
    """True motions (steps, 4, 4): about 10 m/s, a slow weave."""
    k = np.arange(steps)
    yaw = 0.03 * np.sin(0.05 * k)
    motions = np.stack([transform(Rotation.from_euler('z', a).as_matrix(), np.zeros(3)) for a in yaw])
    motions[:, 0, 3] = 1.0 + 0.3 * np.sin(0.02 * k)
    return motions


def noisy(truth: np.ndarray, noise: MotionNoise, count: int, seed: int, interval_s: float = 0.1) -> np.ndarray:
    """(count, steps, 4, 4) motions of estimators with exactly this noise; written without PoseUncertainty."""
    rng = np.random.default_rng(seed)
    deviations = np.sqrt(noise.slow_variances)
    slow = deviations * rng.normal(size=(count, 9))
    estimate = np.repeat(truth[None], count, axis=0)
    for k, motion in enumerate(truth):
        distance_m = float(np.linalg.norm(motion[:3, 3]))
        angle = float(Rotation.from_matrix(motion[:3, :3]).magnitude())
        error = np.sqrt(noise.white_variances(distance_m, angle)) * rng.normal(size=(count, 6))
        error[:, :3] += slow[:, :3] * distance_m + slow[:, 3:6] * interval_s
        error[:, 3:] += slow[:, 6:] * interval_s
        estimate[:, k, :3, 3] += error[:, :3]
        estimate[:, k, :3, :3] = Rotation.from_rotvec(error[:, 3:]).as_matrix() @ motion[:3, :3]
        left = noise.slow_memory(distance_m, interval_s)
        slow = left * slow + np.sqrt(1.0 - left**2) * deviations * rng.normal(size=(count, 9))
    return estimate


def drives(count: int, steps: int, noise: MotionNoise, seed: int) -> list[MatchedDrive]:
    truth = bend(steps)
    stamps_ns = np.arange(steps + 1) * 100_000_000
    never = np.zeros(steps, dtype=bool)
    return [
        MatchedDrive(stamps_ns, compose(motions), compose(truth), never, ~never)
        for motions in noisy(truth, noise, count, seed)
    ]


def errors(drive: MatchedDrive) -> MotionErrors:
    motions = (np.linalg.inv(poses[:-1]) @ poses[1:] for poses in (drive.estimate, drive.truth))
    return motion_errors(*motions, drive.interval_s)


def test_covariance_is_that_of_many_noisy_drives():
    """Position and fixed-axis rotation errors in odom, as nav_msgs/Odometry has them, with slow errors in them."""
    truth = bend(60)
    uncertainty, R = PoseUncertainty(NOISE), np.eye(3)
    for motion in truth:
        uncertainty.move(R, motion, 0.1)
        R = R @ motion[:3, :3]
    true_end = compose(truth)[-1]
    ends = np.stack([compose(motions)[-1] for motions in noisy(truth, NOISE, 4000, seed=1)])
    rotation = Rotation.from_matrix(ends[:, :3, :3] @ true_end[:3, :3].T).as_rotvec()
    measured = np.cov(np.hstack((ends[:, :3, 3] - true_end[:3, 3], rotation)).T)
    scale = np.sqrt(np.outer(np.diag(measured), np.diag(measured)))
    np.testing.assert_allclose(uncertainty.pose / scale, measured / scale, atol=0.08)


def test_slow_errors_grow_with_the_way_and_white_ones_with_its_root():
    ahead = transform(np.eye(3), np.array([1.0, 0.0, 0.0]))
    for noise, growth in (
        (MotionNoise(scale=(0.05, 0.0, 0.0), scale_length_m=(1e6, 1.0, 1.0), translation_share=(0.0, 0.0, 0.0)), 4.0),
        (MotionNoise(), 2.0),
    ):
        uncertainty, spread = PoseUncertainty(noise), []
        for _ in range(400):
            uncertainty.move(np.eye(3), ahead, 0.1)
            spread.append(np.sqrt(uncertainty.pose[0, 0]))
        assert spread[399] / spread[99] == pytest.approx(growth, rel=0.05)


def test_covariances_are_symmetric_and_positive_definite_whatever_happens():
    rng = np.random.default_rng(2)
    uncertainty, R = PoseUncertainty(NOISE), np.eye(3)
    for k, motion in enumerate(bend(300)):
        covariance = uncertainty.move(R, motion, 0.1)
        if k % 7 == 0:
            covariance = uncertainty.rest(0.1)
        if k % 50 == 0:
            uncertainty.unseen(rng.uniform(0.1, 5.0), 10.0, 0.3)
        R = R @ motion[:3, :3]
        for each in (covariance, uncertainty.pose):
            np.testing.assert_array_equal(each, each.T)
            assert np.linalg.eigvalsh(each).min() > 0.0


def test_time_without_sight_adds_the_same_in_pieces_as_at_once():
    whole, pieces = PoseUncertainty(NOISE), PoseUncertainty(NOISE)
    whole.unseen_position(0.0, 2.0, 8.0)
    for k in range(20):
        pieces.unseen_position(0.1 * k, 0.1 * (k + 1), 8.0)
    np.testing.assert_allclose(whole.pose, pieces.pose, rtol=1e-9)
    assert np.sqrt(unseen_variance(2.0, 8.0)) == pytest.approx(16.0 + 2.0)


def test_errors_of_an_estimator_with_known_noise_are_consistent_over_10_to_100_m():
    for row in consistency(drives(8, 300, NOISE, seed=3), NOISE, (10.0, 30.0, 100.0)):
        assert 0.7 < row.position < 1.4, row
        assert 0.6 < row.yaw < 1.5, row
        assert row.position_inside > 0.88, row
        assert row.yaw_inside > 0.85, row


def test_consistency_tells_a_covariance_that_is_too_small_or_too_large():
    sample = drives(3, 400, NOISE, seed=4)
    white = MotionNoise(translation_floor_m=(0.02, 0.01, 0.01), translation_share=(0.0, 0.0, 0.0))
    assert consistency(sample, white, (100.0,))[-1].position > 3.0  # propagated pair by pair: what the slow part is for
    timid = MotionNoise(scale=(0.5, 0.5, 0.5), drift=(0.01, 0.01, 0.01))
    assert all(row.position < 0.2 and row.yaw < 0.2 for row in consistency(sample, timid, (20.0, 100.0)))


def test_a_fit_to_errors_of_known_noise_is_consistent_on_drives_it_has_not_seen():
    noise = fit_noise([errors(drive) for drive in drives(30, 600, NOISE, seed=5)], 'a test')
    assert noise.calibrated
    assert noise.drift[2] == pytest.approx(NOISE.drift[2], rel=0.6)
    for row in consistency(drives(8, 300, NOISE, seed=6), noise, (10.0, 30.0, 100.0)):
        assert 0.6 < row.position < 1.6, row
        assert 0.5 < row.yaw < 1.8, row
        assert row.position_inside > 0.85, row
    # Over the memory of the slow errors, what matters is the variance that scale and creep make together.
    true_slow = (NOISE.scale[0] * 1.0) ** 2 + (NOISE.creep[0] * 0.1) ** 2
    fitted_slow = (noise.scale[0] * 1.0) ** 2 + (noise.creep[0] * 0.1) ** 2
    assert 0.4 < fitted_slow / true_slow < 2.0


def test_a_fit_to_little_data_says_so_and_leaves_out_what_they_do_not_tell():
    """13 s straight ahead: errors of position in turns once came out as 4.2 m/rad, without a word."""
    rng = np.random.default_rng(3)
    short = MotionErrors(rng.normal(0.0, 0.01, (130, 6)), np.full(130, 0.5), np.full(130, 1e-4), np.full(130, 0.1))
    noise = fit_noise([short], 'a test')
    assert noise.translation_turn_m == noise.rotation_turn == (0.0, 0.0, 0.0)
    little, turns = fit_remarks([short], noise)
    assert '13 s over 65 m' in little
    assert 'hardly turn' in turns
    wild = dataclasses.replace(noise, translation_turn_m=(4.2, 0.0, 0.0))
    assert any('translation_turn_m came out as 4.2 m/rad' in remark for remark in fit_remarks([short], wild))
    assert 'NOT calibrated' in fit_remarks([], MotionNoise())[0]
    long = [errors(drive) for drive in drives(3, 600, NOISE, seed=5)]
    assert fit_remarks(long, fit_noise(long, 'a test')) == ()


def test_too_few_errors_leave_a_model_uncalibrated():
    assert not fit_noise([errors(drives(1, 50, NOISE, seed=7)[0])], 'a test').calibrated
    assert fit_noise([], 'nothing') == MotionNoise()


def test_an_estimator_without_errors_is_still_not_taken_for_perfect():
    perfect = bend(300)
    noise = fit_noise([motion_errors(perfect, perfect, np.full(300, 0.1))], 'a test')
    assert noise.white_variances(0.0, 0.0).min() > 0.0
