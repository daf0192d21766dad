"""Trajectories are matched in time and aligned in space by named rules; relative figures do not depend on frames."""

import math

import numpy as np
import pytest
from samples.trajectories import random_motion, random_walk, stamped, straight

from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation.alignment import associate, start_together, to_camera, umeyama
from atvio_ros.evaluation.metrics import compare, evaluate
from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.types import Trajectory


@pytest.mark.parametrize('seed', range(3))
def test_relative_figures_do_not_depend_on_the_fixed_frames(seed):
    truth, estimate = random_walk(400, seed)
    rng = np.random.default_rng(seed)
    here = evaluate(truth, estimate, 'se3')
    there = evaluate(random_motion(rng) @ truth, random_motion(rng) @ estimate, 'se3')
    for figure in ('t_rel', 'r_rel', 'ate_m', 'rpe_m', 'rpe_deg', 'end_error_m', 'end_error_deg', 'length_m'):
        assert there.as_dict()[figure] == pytest.approx(here.as_dict()[figure], rel=1e-6), figure


def test_a_scaled_estimate_is_perfect_after_scale_alignment_and_the_result_says_so():
    truth, _ = random_walk(300, 7)
    estimate = truth.copy()
    estimate[:, :3, 3] *= 0.8
    result = evaluate(truth, estimate, 'scale')
    assert (result.scale, result.t_rel, result.ate_m) == pytest.approx((1.25, 0.0, 0.0), abs=1e-5)
    assert result.remarks() == ['Every figure, t_rel too, is after multiplying the estimate by 1.2500.']
    assert evaluate(truth, estimate, 'none').t_rel > 10.0
    assert evaluate(truth, estimate, 'se3').t_rel == pytest.approx(evaluate(truth, estimate, 'none').t_rel)


@pytest.mark.parametrize('points', [1, 2, 3, 50])
def test_umeyama_recovers_a_similarity_as_far_as_the_points_say(points):
    rng = np.random.default_rng(points)
    source = rng.normal(size=(points, 3))
    T = random_motion(rng)
    target = 2.5 * source @ T[:3, :3].T + T[:3, 3]
    scale, R, t = umeyama(source, target, with_scale=points > 1)
    np.testing.assert_allclose(scale * source @ R.T + t, target, atol=1e-9)
    assert np.linalg.det(R) == pytest.approx(1.0)


def test_umeyama_never_mirrors():
    source = np.random.default_rng(0).normal(size=(20, 3))
    _, R, _ = umeyama(source, source * [1.0, 1.0, -1.0], with_scale=False)
    assert np.linalg.det(R) == pytest.approx(1.0)


def test_a_straight_line_can_be_aligned():
    turned = random_motion(np.random.default_rng(1)) @ straight(50)
    for alignment in ('se3', 'sim3'):
        assert evaluate(straight(50), turned, alignment).ate_m == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize('alignment', ['scale', 'sim3'])
def test_no_scale_can_be_found_for_a_vehicle_that_stands(alignment):
    with pytest.raises(TrajectoryError, match='does not move'):
        evaluate(straight(20), straight(20, step_m=0.0), alignment)
    with pytest.raises(TrajectoryError, match='does not move'):
        evaluate(straight(20, step_m=0.0), straight(20), alignment)


def test_forward_in_base_link_is_along_the_optical_axis_of_the_camera():
    T_base_camera = transform(R_BODY_OPTICAL, np.array([1.0, 0.2, 1.5]))
    camera = to_camera(stamped(straight(5, step_m=2.0)), T_base_camera)
    np.testing.assert_allclose(camera.poses[:, :3, 3], [[0, 0, 2 * i] for i in range(5)], atol=1e-12)


def test_turning_on_the_spot_swings_a_camera_that_is_ahead_of_the_axle():
    T_base_camera = transform(R_BODY_OPTICAL, np.array([1.0, 0.0, 0.0]))
    camera = to_camera(stamped(straight(2, step_m=0.0, yaw_rad=math.pi / 2)), T_base_camera)
    np.testing.assert_allclose(camera.poses[1, :3, 3], [-1.0, 0.0, -1.0], atol=1e-12)  # 1 m left, 1 m back


def test_start_together_brings_a_map_frame_into_odom():
    truth = stamped(random_motion(np.random.default_rng(0)) @ straight(5))
    moved = start_together(truth, truth.poses[2], translation(7.0, 0.0, 0.0))
    np.testing.assert_allclose(moved.poses, translation(5.0, 0.0, 0.0) @ straight(5), atol=1e-9)


def test_poses_are_matched_with_the_nearest_stamp_whatever_the_rates():
    truth = stamped(straight(1000, step_m=0.1), interval_ns=10_000_000)  # 100 Hz
    estimate = stamped(straight(100), start_ns=truth.stamps_ns[0] + 4_000_000)  # 10 Hz, 4 ms late
    matched_estimate, matched_truth = associate(estimate, truth)
    assert len(matched_estimate) == len(matched_truth) == 100
    np.testing.assert_array_equal(matched_estimate.stamps_ns - matched_truth.stamps_ns, 4_000_000)


def test_each_pose_is_matched_once():
    truth = stamped(straight(10), interval_ns=1_000_000_000)
    estimate = stamped(straight(901, step_m=0.01), interval_ns=10_000_000)
    matched_estimate, matched_truth = associate(estimate, truth, tolerance_ns=20_000_000)
    np.testing.assert_array_equal(matched_truth.stamps_ns, truth.stamps_ns)
    np.testing.assert_array_equal(matched_estimate.stamps_ns, truth.stamps_ns)


def test_another_clock_is_an_error_that_counts_the_matches():
    truth, estimate = stamped(straight(20)), stamped(straight(20), start_ns=5)
    with pytest.raises(TrajectoryError, match=r'Only 0 poses match in time: the estimate has 20 poses.*same clock'):
        associate(estimate, truth)


def test_few_matches_are_refused_and_missing_frames_are_remarked():
    truth = stamped(straight(20))
    late = Trajectory(truth.stamps_ns + 8_000_000 * np.arange(20), truth.poses)
    with pytest.raises(TrajectoryError, match='Only 4 poses match'):
        associate(late, truth, tolerance_ns=10_000_000)
    result = compare(truth, Trajectory(truth.stamps_ns[5:15], truth.poses[5:15]))
    assert (result.frames, result.truth_frames) == (10, 20)
    assert '10 of 20 poses of the ground truth have an estimate.' in result.remarks()


def test_stamps_that_go_back_are_refused_with_their_place():
    truth = stamped(straight(5))
    jump = Trajectory(truth.stamps_ns[[0, 1, 0, 3, 4]], truth.poses)
    with pytest.raises(TrajectoryError, match=r"estimate's stamps do not increase: pose 2 is 0\.1 s before pose 1"):
        associate(jump, truth)
