"""t_rel, r_rel, ATE and RPE: against figures found by hand, a plain reimplementation of KITTI's rules, and evo."""

import itertools
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from samples.trajectories import random_motion, random_walk, stamped, straight
from scipy.spatial.transform import Rotation

from atvio_ros.cli.main import main
from atvio_ros.errors import TrajectoryError
from atvio_ros.evaluation.alignment import ALIGNMENTS, align
from atvio_ros.evaluation.metrics import average, compare, distances_along, evaluate, segment_errors
from atvio_ros.geometry import compose, inverse, relative_poses, transform, translation
from atvio_ros.trajectory_files import read_kitti_poses, write_kitti_poses, write_tum

LENGTHS_M = (100, 200, 300, 400, 500, 600, 700, 800)


def test_one_per_cent_of_scale_error_is_a_t_rel_of_one_per_cent():
    truth = straight(10_001, step_m=0.125)
    result = evaluate(truth, straight(10_001, step_m=0.125 * 1.01))
    # A segment ends one frame beyond its nominal length, by which KITTI divides.
    by_hand = {length: 1.0 * (length + 0.125) / length for length in LENGTHS_M}
    assert {at.centre: at.t_rel for at in result.by_length} == pytest.approx(by_hand)
    assert result.t_rel == pytest.approx(1.0, abs=1e-3)
    assert result.r_rel == pytest.approx(0.0, abs=1e-9)


def test_a_constant_yaw_error_is_its_degrees_per_hundred_metres():
    result = evaluate(straight(1001), straight(1001, yaw_rad=math.radians(0.01)))
    by_hand = {length: 0.01 * (length + 1) / length * 100 for length in LENGTHS_M}
    assert {at.centre: at.r_rel for at in result.by_length} == pytest.approx(by_hand)


def test_lateral_error_of_a_constant_yaw_error_is_that_of_a_circle():
    yaw = 1e-4
    result = evaluate(straight(202), straight(202, yaw_rad=yaw))
    n = 101  # frames to the end of a 100 m segment
    end = compose(np.tile(transform(Rotation.from_euler('z', yaw).as_matrix(), [1.0, 0, 0]), (n, 1, 1)))[-1]
    expected = np.linalg.norm(end[:3, 3] - [n, 0, 0])  # nearly yaw * n^2 / 2
    assert expected == pytest.approx(yaw * n**2 / 2, rel=0.02)
    assert result.by_length[0].t_rel == pytest.approx(expected / 100 * 100)


def test_segments_start_at_every_tenth_frame_and_end_at_the_first_frame_beyond():
    truth = straight(222)  # at 1 m a frame, frame 221 is 221 m along
    errors = segment_errors(truth, truth)
    starts = {length: errors.first[errors.length_m == length].tolist() for length in (100, 200, 300)}
    assert starts[100] == list(range(0, 121, 10))  # 120 + 101 is the last frame, 221
    assert starts[200] == [0, 10, 20]
    assert starts[300] == []


def test_every_segment_weighs_the_same_whatever_its_length():
    truth, estimate = random_walk(500, 1)
    result = evaluate(truth, estimate)
    weights = [at.segments for at in result.by_length]
    assert sum(weights) == result.segments
    assert result.t_rel == pytest.approx(np.average([at.t_rel for at in result.by_length], weights=weights))


def test_without_error_every_figure_is_zero():
    truth, _ = random_walk(300, 2)
    for alignment in ALIGNMENTS:
        result = evaluate(truth, truth, alignment)
        figures = (result.t_rel, result.r_rel, result.ate_m, result.rpe_m, result.rpe_deg, result.end_error_percent)
        assert figures == pytest.approx((0.0,) * 6, abs=1e-5)


@pytest.mark.parametrize('frames', [2, 60, 101])
def test_a_drive_of_100_m_or_less_has_no_t_rel_and_says_so(frames):
    result = evaluate(straight(frames), straight(frames, step_m=1.02))
    assert result.t_rel is None
    assert result.r_rel is None
    assert result.length_m == frames - 1
    assert result.end_error_percent == pytest.approx(2.0)
    over = {2: ' See the end error: 2.00 %.', 60: ' Over 10 m the error is 2.00 %. Over 50 m the error is 2.00 %.'}
    assert result.remarks() == [
        f'No t_rel and r_rel: they need more than 100 m of ground truth, this is {frames - 1:.1f} m.'
        + over[min(frames, 60)]
    ]
    assert evaluate(straight(102), straight(102)).t_rel == 0.0


def test_short_lengths_have_a_segment_from_every_frame_and_divide_by_the_way_that_was_driven():
    result = evaluate(straight(61), straight(61, step_m=1.03))
    assert [(at.centre, at.segments) for at in result.short] == [(10.0, 50), (50.0, 10)]  # 11 and 51 steps of 1 m
    assert [at.t_rel for at in result.short] == pytest.approx([3.0, 3.0])
    assert evaluate(straight(11), straight(11)).short == ()


def test_a_single_pose_has_a_position_error_and_no_motion():
    result = evaluate(np.eye(4)[None], translation(0.0, 3.0, 4.0)[None])
    assert (result.ate_m, result.frames, result.length_m) == (5.0, 1, 0.0)
    assert (result.t_rel, result.rpe_m, result.rpe_deg, result.end_error_percent) == (None, None, None, None)


def test_ate_and_rpe_by_hand():
    truth, estimate = straight(4), straight(4)
    estimate[2:, 1, 3] = 0.6  # sideways from the third frame on
    result = evaluate(truth, estimate)
    assert result.ate_m == pytest.approx(math.sqrt((0.36 + 0.36) / 4))
    assert result.rpe_m == pytest.approx(math.sqrt(0.36 / 3))
    assert result.rpe_deg == pytest.approx(0.0)


def test_speed_is_length_over_duration_by_stamps_or_ten_frames_a_second():
    truth, estimate = straight(301), straight(301, step_m=1.1)
    at_50_ms = stamped(truth, interval_ns=50_000_000)
    by_stamps = segment_errors(truth, estimate, at_50_ms.stamps_ns)
    assert by_stamps.speed[0] == pytest.approx(100 / (101 * 0.05))
    assert segment_errors(truth, estimate).speed[0] == pytest.approx(100 / (102 * 0.1))  # KITTI counts both ends
    assert [at.centre for at in compare(at_50_ms, stamped(estimate, 50_000_000)).by_speed] == [18.0, 20.0]


def kitti_errors(truth, estimate):
    """The development kit's rules as loops: (first, rotation/m, translation/m, length, speed) of each segment."""
    distance = [0.0]
    for previous, current in itertools.pairwise(truth):
        distance.append(distance[-1] + math.dist(previous[:3, 3], current[:3, 3]))
    errors = []
    for first in range(0, len(truth), 10):
        for length in LENGTHS_M:
            last = next((i for i in range(first, len(truth)) if distance[i] > distance[first] + length), None)
            if last is None:
                continue
            truth_delta = np.linalg.inv(truth[first]) @ truth[last]
            estimate_delta = np.linalg.inv(estimate[first]) @ estimate[last]
            error = np.linalg.inv(estimate_delta) @ truth_delta
            angle = math.acos(max(-1.0, min(1.0, 0.5 * (error[0, 0] + error[1, 1] + error[2, 2] - 1.0))))
            speed = length / (0.1 * (last - first + 1))
            errors.append((first, angle / length, np.linalg.norm(error[:3, 3]) / length, length, speed))
    return np.array(errors)


@pytest.mark.parametrize('seed', range(4))
def test_random_walks_agree_with_kittis_rules_as_loops(seed):
    truth, estimate = random_walk(700 + 150 * seed, seed)
    expected = kitti_errors(truth, estimate)
    errors = segment_errors(truth, estimate)
    actual = np.stack((errors.first, errors.rotation, errors.translation, errors.length_m, errors.speed), axis=1)
    np.testing.assert_allclose(actual, expected, rtol=1e-7)
    result = evaluate(truth, estimate)
    assert result.t_rel == pytest.approx(100 * expected[:, 2].mean())
    assert result.r_rel == pytest.approx(100 * np.rad2deg(expected[:, 1].mean()))
    for at in result.by_speed:
        chosen = np.abs(expected[:, 4] - at.centre) < 2.0
        assert (at.segments, at.t_rel) == (chosen.sum(), pytest.approx(100 * expected[chosen, 2].mean()))


def test_kitti_ground_truth_agrees_with_kittis_rules_as_loops():
    file = Path(__file__).parents[1] / '../shared/data/kitti/poses/06.txt'
    if not file.is_file():
        pytest.skip(f'no KITTI poses at {file}')
    truth = read_kitti_poses(file)
    steps = relative_poses(truth)
    steps[:, :3, 3] *= 1.03
    estimate = compose(steps)
    expected = kitti_errors(truth, estimate)
    result = evaluate(truth, estimate)
    assert result.segments == len(expected)
    assert result.t_rel == pytest.approx(100 * expected[:, 2].mean(), rel=1e-7)


def test_a_long_sequence_takes_well_under_a_second():
    truth, estimate = random_walk(4541, 5)
    began = time.perf_counter()
    evaluate(truth, estimate, 'sim3')
    assert time.perf_counter() - began < 1.0


def test_lengths_that_differ_and_poses_that_are_not_finite_are_refused():
    with pytest.raises(TrajectoryError, match='ground truth has 5 poses, the estimate 4'):
        evaluate(straight(5), straight(4))
    broken = straight(5)
    broken[3, 0, 3] = np.inf
    with pytest.raises(TrajectoryError, match='estimate holds NaN or infinity'):
        evaluate(straight(5), broken)


def test_the_average_is_the_mean_of_sequences_that_have_the_figure():
    results = [evaluate(straight(n), straight(n, step_m=s)) for n, s in ((300, 1.01), (900, 1.03), (50, 1.5))]
    means = average(results)
    assert means['t_rel'] == pytest.approx((results[0].t_rel + results[1].t_rel) / 2)
    assert means['length_m'] == pytest.approx((299 + 899 + 49) / 3)
    assert average([])['t_rel'] is None


@pytest.mark.parametrize('alignment', ALIGNMENTS)
def test_ape_and_rpe_agree_with_evo(alignment):
    pytest.importorskip('evo')
    from evo.core.metrics import APE, RPE, PoseRelation, StatisticsType
    from evo.core.trajectory import PosePath3D

    truth, estimate = random_walk(400, 11)
    rng = np.random.default_rng(0)
    estimate = random_motion(rng) @ estimate
    estimate[:, :3, 3] *= 0.9
    reference, other = PosePath3D(poses_se3=list(truth)), PosePath3D(poses_se3=list(estimate))
    if alignment != 'none':
        other.align(reference, correct_scale=alignment == 'sim3', correct_only_scale=alignment == 'scale')

    def rmse(metric):
        metric.process_data((reference, other))
        return metric.get_statistic(StatisticsType.rmse)

    result = evaluate(truth, estimate, alignment)
    assert result.ate_m == pytest.approx(rmse(APE(PoseRelation.translation_part)), rel=1e-9)
    assert result.rpe_m == pytest.approx(rmse(RPE(PoseRelation.translation_part)), rel=1e-9)
    assert result.rpe_deg == pytest.approx(rmse(RPE(PoseRelation.rotation_angle_deg)), rel=1e-6)
    assert result.length_m == pytest.approx(reference.path_length)
    aligned, _ = align(estimate, truth, alignment)
    np.testing.assert_allclose(aligned, np.array(other.poses_se3), atol=1e-6)


@pytest.fixture
def files(tmp_path):
    truth, estimate = random_walk(300, 21)
    write_kitti_poses(tmp_path / 'truth.txt', truth)
    write_kitti_poses(tmp_path / 'estimate.txt', estimate)
    write_tum(tmp_path / 'truth.tum', stamped(truth))
    write_tum(tmp_path / 'estimate.tum', stamped(estimate[20:], start_ns=1_700_000_002_000_000_000))
    return tmp_path


def metrics(folder, truth, estimate, *options):
    return main(['metrics', '--truth', str(folder / truth), '--estimate', str(folder / estimate), *options])


def test_metrics_prints_the_figures_as_json(files, capsys):
    assert metrics(files, 'truth.txt', 'estimate.txt', '--json') == 0
    printed = json.loads(capsys.readouterr().out)
    truth, estimate = random_walk(300, 21)
    result = evaluate(truth, estimate)
    for key in ('t_rel', 'r_rel', 'ate_m', 'length_m', 'frames'):
        assert printed[key] == pytest.approx(result.as_dict()[key])
    assert printed['alignment'] == 'none'


def test_metrics_matches_tum_files_by_stamp_and_names_the_alignment(files, capsys):
    assert metrics(files, 'truth.tum', 'estimate.tum', '--align', 'sim3') == 0
    printed = capsys.readouterr().out
    assert 'alignment sim3' in printed
    assert '280 of 300 poses of the ground truth have an estimate.' in printed


def test_metrics_of_unlike_or_missing_files_is_one_line_on_stderr(files, capsys):
    assert metrics(files, 'truth.txt', 'estimate.tum') == 1
    assert metrics(files, 'missing.txt', 'estimate.txt') == 1
    out, err = capsys.readouterr()
    assert out == ''
    unlike, missing = err.splitlines()
    assert 'is a KITTI file and' in unlike
    assert 'There is no trajectory file' in missing


def test_distance_is_measured_along_the_path():
    assert distances_along(straight(4, step_m=0.5)).tolist() == [0.0, 0.5, 1.0, 1.5]
    there_and_back = np.stack([translation(x, 0.0, 0.0) for x in (0.0, 5.0, 0.0)])
    assert distances_along(there_and_back)[-1] == 10.0


def test_the_error_at_the_end_is_seen_from_the_start():
    truth, estimate = random_walk(100, 4)
    T_error = inverse(inverse(estimate[0]) @ estimate[-1]) @ inverse(truth[0]) @ truth[-1]
    result = evaluate(random_motion(np.random.default_rng(1)) @ truth, estimate)
    assert result.end_error_m == pytest.approx(np.linalg.norm(T_error[:3, 3]))
