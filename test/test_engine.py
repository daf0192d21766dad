"""The engine turns camera motions into odometry of base_link: axes, lever arm, twist, covariance."""

from __future__ import annotations

import numpy as np
import pytest
from samples.motions import LOOKING_FORWARD, moved_for, one_pair, seen_by_camera, turn
from samples.streams import MS, START_NS, Scripted, pair, stretch
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import R_BODY_OPTICAL, logarithm, transform, translation
from atvio_ros.odometry.engine import OdometryEngine

ONE_METRE_AHEAD = transform(R_BODY_OPTICAL, np.array([1.0, 0.0, 0.0]))
TILTED = transform(
    Rotation.from_euler('ZYX', [20, 15, -10], degrees=True).as_matrix() @ R_BODY_OPTICAL, np.array([1.1, -0.3, 0.7])
)


def test_optical_forward_is_base_link_x():
    estimate = one_pair(OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD))
    np.testing.assert_allclose(estimate.T_odom_base, translation(1.0, 0.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(estimate.linear_velocity, [10.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(estimate.angular_velocity, 0.0, atol=1e-12)
    assert estimate.stamp_ns == START_NS + 100 * MS


@pytest.mark.parametrize(
    ('optical', 'body'),
    [(turn('y', -0.1), turn('z', 0.1)), (turn('x', -0.1), turn('y', 0.1)), (turn('z', 0.1), turn('x', 0.1))],
    ids=['yaw', 'pitch', 'roll'],
)
def test_turning_left_is_positive_yaw_about_body_z_and_so_on(optical, body):
    estimate = one_pair(OdometryEngine(Scripted(optical), LOOKING_FORWARD))
    np.testing.assert_allclose(estimate.T_odom_base, body, atol=1e-12)
    np.testing.assert_allclose(estimate.angular_velocity, logarithm(body)[3:] / 0.1, atol=1e-9)


def test_a_robot_that_turns_on_the_spot_does_not_move_though_its_camera_does():
    spin = turn('z', 0.1)
    camera = seen_by_camera(spin, ONE_METRE_AHEAD)
    assert np.linalg.norm(camera[:3, 3]) == pytest.approx(2 * np.sin(0.05))  # the chord of its circle
    assert camera[0, 3] < 0  # to its left
    engine = OdometryEngine(Scripted(camera), ONE_METRE_AHEAD)
    for each in stretch(20):
        estimate = engine.process(each)
        np.testing.assert_allclose(estimate.T_odom_base[:3, 3], 0.0, atol=1e-12)
        np.testing.assert_allclose(estimate.linear_velocity, 0.0, atol=1e-9)
        np.testing.assert_allclose(estimate.angular_velocity, [0.0, 0.0, 1.0], atol=1e-9)


@pytest.mark.parametrize(
    'T_base_camera', [LOOKING_FORWARD, ONE_METRE_AHEAD, TILTED], ids=['at base', 'ahead', 'tilted']
)
def test_a_constant_twist_is_reported_exactly_and_in_base_link(T_base_camera):
    twist = np.array([12.0, -0.4, 0.3, 0.1, -0.2, 0.9])
    engine = OdometryEngine(Scripted(seen_by_camera(moved_for(twist, 0.1), T_base_camera)), T_base_camera)
    for i, each in enumerate(stretch(40)):
        estimate = engine.process(each)
        np.testing.assert_allclose([*estimate.linear_velocity, *estimate.angular_velocity], twist, atol=1e-9)
        np.testing.assert_allclose(estimate.T_odom_base, moved_for(twist, 0.1 * (i + 1)), atol=1e-9)


def test_the_twist_is_per_second_of_the_interval_between_the_images():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    slow, fast = (engine.process(pair(START_NS, START_NS + ms * MS)) for ms in (200, 50))
    assert slow.linear_velocity[0] == pytest.approx(5.0)
    assert fast.linear_velocity[0] == pytest.approx(20.0)
    np.testing.assert_allclose(fast.twist_covariance, 16 * slow.twist_covariance)


def test_rotations_stay_rotations_over_a_long_drive():
    drifting = translation(0.0, 0.0, 1.0)
    drifting[:3, :3] = Rotation.from_rotvec([1e-3, 0.3, 2e-2]).as_matrix() * (1 + 1e-6)  # as float32 leaves it
    engine = OdometryEngine(Scripted(drifting), LOOKING_FORWARD)
    for each in stretch(500):
        R = engine.process(each).T_odom_base[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)


def test_covariance_is_symmetric_positive_semidefinite_and_grows():
    engine = OdometryEngine(Scripted(seen_by_camera(moved_for(np.array([8.0, 0, 0, 0, 0, 0.7]), 0.1), TILTED)), TILTED)
    sizes = [0.0]
    for each in stretch(60):
        estimate = engine.process(each)
        for covariance in (estimate.pose_covariance, estimate.twist_covariance):
            np.testing.assert_allclose(covariance, covariance.T, rtol=1e-12, atol=1e-18)
            assert np.linalg.eigvalsh(covariance).min() > 0.0
        sizes.append(np.trace(estimate.pose_covariance))
    assert (np.diff(sizes) > 0).all()


def test_a_robot_at_rest_is_still_uncertain():
    estimate = one_pair(OdometryEngine(Scripted(np.eye(4)), LOOKING_FORWARD))
    assert (np.diag(estimate.pose_covariance) > 0).all()
    assert (np.diag(estimate.twist_covariance) > 0).all()


def test_an_estimate_handed_out_does_not_change_any_more():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    first = one_pair(engine)
    kept = first.T_odom_base.copy(), first.pose_covariance.copy()
    first.T_odom_base[:] = 0.0
    first.pose_covariance[:] = 0.0
    second = one_pair(engine)
    assert second.T_odom_base[0, 3] == pytest.approx(2.0)
    assert second.pose_covariance[0, 0] > kept[1][0, 0]
