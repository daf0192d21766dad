"""Numbers that are finite but too large: refused where they come in, and nothing that is not finite goes out."""

from __future__ import annotations

import numpy as np
import pytest
from samples.motions import LOOKING_FORWARD
from samples.streams import Scripted, stretch

from atvio_ros.errors import ModelError, SettingsError
from atvio_ros.geometry import transform, translation
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.start import LARGEST_VARIANCE, Start

NOISE = MotionNoise(
    translation_floor_m=(0.01,) * 3, translation_share=(0.01,) * 3, rotation_floor_rad=(1e-3,) * 3,
    rotation_turn=(0.01,) * 3,
)  # fmt: skip


def with_entry(i: int, j: int, value: float) -> np.ndarray:
    P = np.eye(6)
    P[i, j] = P[j, i] = value
    return P


@pytest.mark.parametrize(
    ('covariance', 'words'),
    [
        (1e308 * np.eye(6), r'holds 1e\+308; a variance is at most'),
        (with_entry(3, 3, 1e308), 'at most'),
        (with_entry(0, 1, 1e308), 'at most'),
        (np.diag([1e20, -1e9, 1, 1, 1, 1]), 'at most'),
        (np.diag([1e9, -1e-12, 1, 1, 1, 1]), 'negative variance'),
        (with_entry(0, 1, 1.001), 'negative variance'),
        (np.diag([0, 1, 1, 1, 1, 1]) + with_entry(0, 1, 0.1) - np.eye(6), 'negative variance'),
        (np.full((6, 6), np.inf), 'finite'),
    ],
)
def test_a_covariance_that_cannot_be_reckoned_with_is_refused(covariance, words):
    with pytest.raises(SettingsError, match=words):
        Start(pose_covariance=covariance)


def test_a_start_too_far_away_is_refused():
    with pytest.raises(SettingsError, match=r'1e\+09 m from the origin'):
        Start(translation(0.0, 1e160, 0.0))


@pytest.mark.parametrize('seed', range(20))
def test_whatever_covariance_is_taken_no_direction_becomes_less_than_certain(seed):
    """Variances of very different sizes, correlated as far as can be: rounding must not make one negative."""
    rng = np.random.default_rng(seed)
    sigmas = 10.0 ** rng.uniform(-4.0, 4.5, 6)
    A = rng.normal(size=(6, rng.integers(1, 7)))
    correlations = A @ A.T / np.outer(*[np.linalg.norm(A, axis=1)] * 2)
    start = Start(pose_covariance=np.minimum(correlations * np.outer(sigmas, sigmas), LARGEST_VARIANCE))
    motion = transform(LOOKING_FORWARD[:3, :3].T @ LOOKING_FORWARD[:3, :3], np.array([0.1, 0.0, 1.0]))
    engine = OdometryEngine(Scripted(motion), LOOKING_FORWARD, NOISE)
    engine.reset(start)
    for each in stretch(50):
        P = engine.process(each).pose_covariance
        sigma = np.sqrt(np.diag(P))
        assert np.linalg.eigvalsh(P / np.outer(sigma, sigma)).min() > -1e-9


def test_an_attitude_that_is_not_known_at_all_is_uncertain_by_half_a_turn():
    P = Start(pose_covariance=np.diag([1e6] * 6)).pose_covariance
    np.testing.assert_allclose(np.diag(P), [1e6] * 3 + [np.pi**2] * 3)


@pytest.mark.parametrize('size', [1e160, 1e300])
def test_odometry_that_would_not_be_finite_is_not_given_and_the_pose_stays(size):
    ahead, wild = translation(0.0, 0.0, 1.0), translation(0.0, 0.0, size)
    engine = OdometryEngine(Scripted(ahead, wild, wild, ahead), LOOKING_FORWARD, NOISE)
    pairs = stretch(6)
    before = engine.process(pairs[0])
    for each in pairs[1:3]:
        with pytest.raises(ModelError, match='not finite'):
            engine.process(each)
    after = engine.process(pairs[3])
    np.testing.assert_allclose(after.T_odom_base, before.T_odom_base @ translation(1.0, 0.0, 0.0))
    assert np.isfinite(after.pose_covariance).all()
    assert (np.diag(after.pose_covariance) > np.diag(before.pose_covariance)).all()


@pytest.mark.parametrize('far', [1e100, 1e160, 1e300])
def test_extrinsics_that_are_too_far_give_no_odometry_that_is_not_finite(far):
    """The last check, were such a pose ever to get so far: the rig refuses it."""
    T_base_camera = transform(LOOKING_FORWARD[:3, :3], np.array([far, 0.0, 0.0]))
    turning = transform(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]), np.zeros(3))
    engine = OdometryEngine(Scripted(turning), T_base_camera, NOISE)
    for each in stretch(4):
        try:
            estimate = engine.process(each)
        except ModelError:
            continue
        for values in (estimate.T_odom_base, estimate.linear_velocity, estimate.pose_covariance):
            assert np.isfinite(values).all()
