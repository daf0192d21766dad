"""The constant-speed baseline: perfect at one speed, and as wrong as the speed varies otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.evaluation.alignment import to_camera
from atvio_ros.evaluation.baseline import constant_speed, constant_speed_figures
from atvio_ros.geometry import R_BODY_OPTICAL, compose, transform
from atvio_ros.types import Trajectory

STEPS = 200


def drive(speeds: np.ndarray, turn_rad: float = 0.01) -> Trajectory:
    """Poses at 10 Hz of a robot that drives x forward at these speeds [m/s] and turns left."""
    R = Rotation.from_euler('z', turn_rad).as_matrix()
    steps = np.stack([transform(R, np.array([0.1 * speed, 0.0, 0.0])) for speed in speeds])
    return Trajectory(100_000_000 * np.arange(len(speeds) + 1), compose(steps))


def test_at_one_speed_it_needs_no_measurement():
    truth = drive(np.full(STEPS, 8.0))
    estimate = drive(np.full(STEPS, 5.0))  # turns right, is too slow
    figures = constant_speed_figures(estimate, truth)
    assert figures['speed'] == pytest.approx(8.0)
    assert figures['t_rel'] < 1.0  # half a step of turn
    assert [at['centre'] for at in figures['short']] == [10.0, 50.0]


def test_where_the_speed_changes_it_is_wrong_by_what_it_missed():
    speeds = np.concatenate((np.full(STEPS // 2, 4.0), np.full(STEPS // 2, 12.0)))
    truth = drive(speeds, turn_rad=0.0)
    baseline, speed = constant_speed(truth, truth)
    assert speed == pytest.approx(8.0)
    np.testing.assert_allclose(baseline.poses[STEPS // 2, :3, 3], [80.0, 0.0, 0.0], atol=1e-9)  # the truth is at 40 m
    np.testing.assert_allclose(baseline.poses[-1, :3, 3], truth.poses[-1, :3, 3], atol=1e-9)
    assert constant_speed_figures(truth, truth)['t_rel'] > 10.0


def test_its_rotation_is_the_estimates_own_and_a_single_pose_has_no_speed():
    truth, estimate = drive(np.full(STEPS, 8.0)), drive(np.full(STEPS, 8.0), turn_rad=-0.01)
    baseline, _ = constant_speed(estimate, truth)
    np.testing.assert_array_equal(baseline.poses[:, :3, :3], estimate.poses[:, :3, :3])
    np.testing.assert_allclose(baseline.poses[:, :3, 3], estimate.poses[:, :3, 3], atol=1.0)  # half a turn a step
    one = Trajectory(truth.stamps_ns[:1], truth.poses[:1])
    assert constant_speed(one, one)[1] == 0.0


def test_files_of_a_camera_have_the_same_baseline_as_those_of_base_link():
    speeds = np.concatenate((np.full(STEPS // 2, 4.0), np.full(STEPS // 2, 12.0)))
    truth, estimate = drive(speeds), drive(1.1 * speeds)
    T_base_camera = transform(R_BODY_OPTICAL, np.zeros(3))
    there = constant_speed_figures(to_camera(estimate, T_base_camera), to_camera(truth, T_base_camera))
    assert there['t_rel'] == pytest.approx(constant_speed_figures(estimate, truth)['t_rel'], rel=0.02)
    one = Trajectory(truth.stamps_ns[:1], truth.poses[:1])
    assert constant_speed_figures(one, one)['t_rel'] is None
