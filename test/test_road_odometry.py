"""The road estimator on a plane whose motion is known: metres, heights, tilt, slow robots, standstill, reverse."""

from __future__ import annotations

import numpy as np
import pytest
from samples.plane import PlaneDrive, believed, robot, way_a_frame

from atvio_ros.errors import CalibrationError
from atvio_ros.geometry import rotation_vector
from atvio_ros.odometry.estimators import choose_estimator
from atvio_ros.odometry.pipeline import assemble
from atvio_ros.odometry.road_estimator import RoadEstimator
from atvio_ros.road.shift_curves import Comparison, ShiftCurves
from atvio_ros.types import OdometryEstimate

HALF_A_METRE = PlaneDrive(robot(), 0.5)


@pytest.fixture(scope='module')
def forward() -> list[OdometryEstimate]:
    return HALF_A_METRE.run(RoadEstimator())


def test_half_a_metre_is_half_a_metre(forward):
    assert way_a_frame(forward) == pytest.approx(0.5, rel=0.01)
    np.testing.assert_allclose(forward[-1].T_odom_base[1:3, 3], 0.0, atol=0.15)
    assert all(estimate.warnings == () for estimate in forward[8:])


def test_what_was_learned_leaves_a_clear_road_as_it_is(forward):
    learned = choose_estimator('road')
    assert learned.name.startswith('road (')
    assert way_a_frame(HALF_A_METRE.run(learned)) == pytest.approx(way_a_frame(forward), rel=0.004)


def test_where_half_of_the_road_is_a_mirror_what_was_learned_believes_the_other_half():
    wet = PlaneDrive(robot(), 0.5, right_half_moves=0.4)
    assert way_a_frame(wet.run(choose_estimator('geometry'))) < 0.3
    assert way_a_frame(wet.run(choose_estimator('road'))) == pytest.approx(0.5, rel=0.02)


def test_no_shift_is_expected_of_a_speed_that_patches_have_not_agreed_with_for_seconds(monkeypatch):
    """What is expected keeps a speed that was once taken from a mirror image or a vehicle."""
    expected, compare = [], ShiftCurves.compare
    monkeypatch.setattr(
        ShiftCurves, 'compare', lambda *views, **told: expected.append(told['expected']) or compare(*views, **told)
    )
    HALF_A_METRE.run(RoadEstimator())
    assert expected[-1] == pytest.approx(0.5, rel=0.05)
    monkeypatch.setattr(Comparison, 'support', lambda *found: 0.1)
    PlaneDrive(robot(), 0.5, frames=55).run(RoadEstimator())
    assert expected[-1] is None


def test_the_same_drive_gives_the_same_odometry_to_the_bit(forward):
    again = HALF_A_METRE.run(RoadEstimator())
    for one, other in zip(forward, again, strict=True):
        np.testing.assert_array_equal(one.T_odom_base, other.T_odom_base)
        np.testing.assert_array_equal(one.pose_covariance, other.pose_covariance)


def test_an_estimator_serves_several_robots_one_after_the_other(forward):
    estimator = RoadEstimator()
    PlaneDrive(robot(0.5), 0.1, frames=5).run(estimator)
    again = HALF_A_METRE.run(estimator)
    np.testing.assert_array_equal(forward[-1].T_odom_base, again[-1].T_odom_base)


def test_twice_the_height_is_twice_the_distance(forward):
    rig = believed(HALF_A_METRE.rig, camera_height=2.0)
    assert way_a_frame(HALF_A_METRE.run(RoadEstimator(), rig)) == pytest.approx(2.0 * way_a_frame(forward), rel=0.01)


@pytest.mark.parametrize('wrong_deg', [-2.0, 2.0])
def test_a_tilt_told_wrong_by_two_degrees_changes_the_distance_by_less_than_a_hundredth(forward, wrong_deg):
    drive = PlaneDrive(robot(), 0.5, frames=40)
    found = drive.run(RoadEstimator(), robot(pitch_deg=wrong_deg))
    assert way_a_frame(found, 20) == pytest.approx(way_a_frame(drive.run(RoadEstimator()), 20), rel=0.01)
    geometry = found[-1].geometry
    assert geometry is not None
    below_deg = np.degrees(np.arcsin(geometry.R_image_level[1, 2]))
    assert below_deg == pytest.approx(wrong_deg, abs=0.3)  # told to look down by more than it does: the way lies lower


def test_a_walking_robot_at_30_hz_is_measured_over_several_images():
    drive = PlaneDrive(robot(0.6), 0.02, frames=60, interval_ms=33)
    assert way_a_frame(drive.run(RoadEstimator()), 30) == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize('metres', [-0.05, -0.15, -0.25])
def test_reverse_is_negative(metres):
    found = PlaneDrive(robot(), metres, frames=20).run(RoadEstimator())
    assert way_a_frame(found) == pytest.approx(metres, rel=0.05)


def test_a_robot_that_stands_does_not_move():
    estimates = PlaneDrive(robot(), 0.0).run(RoadEstimator())
    assert way_a_frame(estimates) == pytest.approx(0.0, abs=0.003)


def test_most_of_a_gyros_bias_is_corrected_within_seconds_by_what_is_seen():
    """0.5 deg/s, as an ordinary MEMS gyro has."""
    estimates = PlaneDrive(robot(), 0.5, frames=60, gyro_bias=(0.0, 0.0, np.radians(0.5))).run(RoadEstimator())
    first, last = (np.degrees(estimates[k].angular_velocity[2]) for k in (0, -1))
    assert first == pytest.approx(0.5, abs=0.05)
    assert abs(last) < 0.6 * first


def test_a_gyro_without_bias_is_not_corrected_at_all(forward):
    """What corners seem to show of one is less sure than the gyro."""
    for estimate in forward:
        np.testing.assert_allclose(estimate.T_odom_base[:3, :3], np.eye(3), atol=1e-9)


def test_what_corners_show_steadies_the_rotation_of_a_noisy_gyro():
    """0.07 rad/s at 200 Hz: 0.005 rad/s/sqrt(Hz), as a cheap MEMS gyro has."""
    found = PlaneDrive(robot(), 0.5, frames=40, gyro_noise=0.07).run(RoadEstimator())
    turned = np.array([rotation_vector(estimate.motion.T_previous_current[:3, :3]) for estimate in found])[10:]
    of_the_gyro = 0.005 * np.sqrt(0.1)
    assert turned.std(axis=0).max() < 0.6 * of_the_gyro
    geometry = found[-1].geometry
    assert geometry is not None
    assert turned.std(axis=0).max() < 2.0 * geometry.rotation_noise < of_the_gyro


def test_a_motion_is_less_certain_along_the_way_where_the_speed_is(forward):
    covariance = forward[-1].motion.covariance
    assert covariance is not None
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    assert 0.0 < np.sqrt(covariance[2, 2]) < 0.1  # optical z is ahead


@pytest.mark.parametrize(('missing', 'problem'), [('camera_height', 'camera_height'), ('camera', 'not calibrated')])
def test_a_robot_that_does_not_tell_enough_is_refused_before_anything_runs(missing, problem):
    with pytest.raises(CalibrationError, match=problem):
        assemble(choose_estimator('road'), believed(robot(), **{missing: None}))
