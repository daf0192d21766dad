"""A report holds files that agree with each other, and pictures that show what was driven."""

import dataclasses
import json

import matplotlib.image
import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.transform import Rotation

from atvio_ros.errors import FileError, TrajectoryError
from atvio_ros.evaluation.error_plots import Compared, plot_errors, plot_several
from atvio_ros.evaluation.metrics import AVERAGED, evaluate
from atvio_ros.evaluation.plots import plot_trajectory, plot_travel
from atvio_ros.evaluation.report import results_as_dict, results_table, to_json, write_report
from atvio_ros.evaluation.ways import road_row, ways
from atvio_ros.geometry import R_BODY_OPTICAL, compose, transform
from atvio_ros.trajectory_files import read_kitti_poses, read_tum
from atvio_ros.types import OdometryEstimate, PairGeometry, RelativeMotion, RoadMeasurement, Trajectory

T_BASE_CAMERA = transform(R_BODY_OPTICAL, np.array([1.08, -0.32, 0.72]))


def drive(frames, scale=1.0, turn_at=None, yaw_rad=1e-3):
    """A metre a frame along a gentle left curve, and a quarter turn to the left at frame `turn_at`."""
    steps = np.tile(
        transform(Rotation.from_euler('z', yaw_rad).as_matrix(), np.array([scale, 0, 0])), (frames - 1, 1, 1)
    )
    if turn_at is not None:
        steps[turn_at, :3, :3] = Rotation.from_euler('z', np.pi / 2).as_matrix()
    return Trajectory(10**18 + 100_000_000 * np.arange(frames), compose(steps))


def in_a_map(trajectory):
    T_map_odom = transform(Rotation.from_euler('z', 1.0).as_matrix(), np.array([4e3, 5e3, 100.0]))
    return Trajectory(trajectory.stamps_ns, T_map_odom @ trajectory.poses)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    """The folder of a report on an estimate 2 % too long, with truth in a map frame, and its result."""
    out = tmp_path_factory.mktemp('report') / 'new' / 'out'
    truth = in_a_map(drive(150))
    return out, write_report(out, 'loop', drive(150, 1.02), truth, T_BASE_CAMERA, model='m', notes={'model': 'a'})


def test_a_report_with_truth_writes_every_file_and_no_temporary_one(report):
    out, result = report
    expected = ['errors.png', 'estimate.kitti.txt', 'estimate.tum', 'result.json', 'trajectory.png']
    assert names(out) == [*expected, 'truth.kitti.txt', 'truth.tum']
    assert result.t_rel == pytest.approx(2.0, rel=0.05)


def test_figures_in_result_json_are_those_of_the_kitti_files_beside_it(report):
    out, result = report
    written = json.loads((out / 'result.json').read_text())
    again = evaluate(read_kitti_poses(out / 'truth.kitti.txt'), read_kitti_poses(out / 'estimate.kitti.txt'))
    for figure in AVERAGED:
        assert written['sequences']['loop'][figure] == pytest.approx(again.as_dict()[figure])
        assert written['average'][figure] == pytest.approx(result.as_dict()[figure])
    assert written['model'] == 'a'


def test_truth_in_a_map_frame_is_written_in_odom(report):
    out, _ = report
    np.testing.assert_allclose(read_tum(out / 'truth.tum').poses, drive(150).poses, atol=1e-9)
    np.testing.assert_allclose(read_kitti_poses(out / 'truth.kitti.txt')[0], np.eye(4), atol=1e-9)


def test_tum_files_hold_all_poses_and_kitti_files_the_matched_ones(tmp_path):
    estimate = Trajectory(drive(100).stamps_ns[10:], drive(100).poses[10:])
    truth = Trajectory(drive(100).stamps_ns[:80], drive(100).poses[:80])
    write_report(tmp_path, 'part', estimate, truth, T_BASE_CAMERA)
    assert (len(read_tum(tmp_path / 'estimate.tum')), len(read_tum(tmp_path / 'truth.tum'))) == (90, 80)
    assert len(read_kitti_poses(tmp_path / 'estimate.kitti.txt')) == 70
    assert len(read_kitti_poses(tmp_path / 'truth.kitti.txt')) == 70


def test_without_truth_nothing_of_an_earlier_truth_stays(tmp_path):
    for file in ('truth.tum', 'truth.kitti.txt', 'errors.png'):
        (tmp_path / file).write_text('earlier')
    assert write_report(tmp_path, 'loop', drive(150), None, T_BASE_CAMERA) is None
    assert names(tmp_path) == ['estimate.kitti.txt', 'estimate.tum', 'result.json', 'trajectory.png']
    figures = json.loads((tmp_path / 'result.json').read_text())['sequences']['loop']
    assert figures.pop('length_m') == pytest.approx(149.0)
    assert figures == {'t_rel': None, 'r_rel': None, 'ate_m': None, 'frames': 150}


@pytest.mark.parametrize(('frames', 'scale'), [(1, 1.0), (2, 0.0)])
def test_short_and_standing_drives_are_reported_too(tmp_path, frames, scale):
    result = write_report(tmp_path, 'short', drive(frames, scale), drive(frames), T_BASE_CAMERA, model='untrained')
    assert result.t_rel is None
    for picture in ('trajectory.png', 'errors.png'):
        assert matplotlib.image.imread(tmp_path / picture).shape[1] >= 1200


def test_no_odometry_is_an_error_that_says_so(tmp_path):
    empty = Trajectory(np.array([], dtype=np.int64), np.empty((0, 4, 4)))
    with pytest.raises(TrajectoryError, match='not one frame was processed'):
        write_report(tmp_path, 'empty', empty, drive(5), T_BASE_CAMERA)
    (tmp_path / 'file').write_text('')
    with pytest.raises(TrajectoryError, match='cannot be used'):
        write_report(tmp_path / 'file', 'loop', drive(5), None, T_BASE_CAMERA)


def test_the_estimate_survives_a_truth_that_does_not_match(tmp_path):
    truth = Trajectory(np.arange(150), drive(150).poses)
    with pytest.raises(TrajectoryError, match='Only 0 poses match'):
        write_report(tmp_path, 'loop', drive(150), truth, T_BASE_CAMERA)
    assert len(read_tum(tmp_path / 'estimate.tum')) == 150


def test_json_is_strict():
    text = to_json(
        {'a': float('nan'), 'b': [np.float64('inf'), np.int64(3)], 'c': np.array([1.0, np.nan]), 'd': (1, 'x')}
    )
    assert json.loads(text) == {'a': None, 'b': [None, 3], 'c': [1.0, None], 'd': [1, 'x']}


def test_the_table_ends_with_the_average_and_fits_80_columns():
    truth = drive(350)
    results = {f'KITTI {i}': evaluate(truth.poses, drive(350, 1 + i / 100).poses) for i in (1, 3)}
    console = Console(width=80, record=True, file=open('/dev/null', 'w'))  # noqa: PTH123, SIM115
    console.print(results_table(results))
    lines = console.export_text().splitlines()
    average = f'{(results["KITTI 1"].t_rel + results["KITTI 3"].t_rel) / 2:.2f}'
    assert average in next(line for line in lines if 'average' in line)
    assert max(map(len, lines)) <= 80
    assert list(results_as_dict(results)['sequences']) == ['KITTI 1', 'KITTI 3']


def blue_pixels(picture):
    """Rows and columns of the estimate's line in the top view, without legend and height profile."""
    rgb = matplotlib.image.imread(picture)[..., :3]
    rows, columns = np.nonzero((rgb[..., 2] - rgb[..., 0] > 0.5) & (rgb[..., 1] < 0.6))
    inside = (rows > 105) & (rows < 0.75 * len(rgb))
    return rows[inside], columns[inside]


def test_a_left_turn_goes_left_in_a_picture_with_forward_up(tmp_path):
    plot_trajectory(tmp_path / 'a.png', drive(101, turn_at=50, yaw_rad=0.0), None, 'left turn')
    rows, columns = blue_pixels(tmp_path / 'a.png')
    start, end = columns[rows == rows.max()].mean(), columns.min()
    assert start - end > 300
    assert np.ptp(rows) > 300


def test_a_long_straight_road_lies_across_the_picture(tmp_path):
    plot_trajectory(tmp_path / 'a.png', drive(400, yaw_rad=0.0), None, 'straight')
    rows, columns = blue_pixels(tmp_path / 'a.png')
    assert np.ptp(columns) > 800
    assert np.ptp(rows) < 50


def test_pictures_are_drawn_without_touching_pyplots_state(tmp_path):
    before = dict(matplotlib.rcParams)
    estimate, truth = drive(250, 1.01), drive(250)
    plot_trajectory(tmp_path / 'a.png', estimate, truth, 'curve', evaluate(truth.poses, estimate.poses))
    compared = Compared(estimate.poses, truth.poses, evaluate(truth.poses, estimate.poses))
    plot_errors(tmp_path / 'b.png', compared, 'curve')
    plot_several(tmp_path / 'c.png', {'a': compared, 'b': compared}, 'curves')
    assert dict(matplotlib.rcParams) == before
    with pytest.raises(FileError, match='cannot be written'):
        plot_trajectory(tmp_path / 'missing' / 'a.png', estimate, None, 'curve')


def test_the_estimate_is_coloured_by_its_error_from_the_colour_of_the_estimate_to_red(tmp_path):
    estimate, truth = drive(101, yaw_rad=0.0), drive(101, yaw_rad=0.0)
    error_m = np.linspace(0.0, 3.0, 101)
    plot_trajectory(tmp_path / 'a.png', estimate, truth, 'straight', None, (estimate.poses, error_m))
    rgb = matplotlib.image.imread(tmp_path / 'a.png')[105 : 105 + 300, :950, :3]
    red = np.nonzero((rgb[..., 0] > 0.6) & (rgb[..., 1] < 0.2))[1]
    blue = np.nonzero((rgb[..., 2] > 0.6) & (rgb[..., 0] < 0.1))[1]
    assert len(red) > 0
    assert np.median(blue[blue > 150]) < np.median(red)  # the legend's line is further left


def test_a_short_drive_has_figures_over_10_and_50_m_and_no_empty_panel(tmp_path):
    wide = {}
    for frames in (5, 60, 150):
        truth, estimate = drive(frames), drive(frames, 1.02)
        result = evaluate(truth.poses, estimate.poses)
        plot_errors(tmp_path / 'a.png', Compared(estimate.poses, truth.poses, result), 'short')
        picture = matplotlib.image.imread(tmp_path / 'a.png')
        wide[frames] = picture.shape[1]
        blue = (picture[..., 2] > 0.6) & (picture[..., 0] < 0.1)
        columns = {5: 1, 60: 2, 150: 3}[frames]
        for each in np.array_split(blue[: len(blue) // 2], columns, axis=1):
            assert each.any()
    assert wide[5] == wide[60] < wide[150]
    short, long = (evaluate(drive(n).poses, drive(n, 1.02).poses) for n in (60, 150))
    console = Console(width=80, record=True, file=open('/dev/null', 'w'))  # noqa: PTH123, SIM115
    console.print(results_table({'short': short, 'long': long}))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert '2.00' in next(line for line in lines if 'short' in line)


# ---- the direction of travel


def travelled(pitch_deg, yaw_deg, confident=True, second=0):
    R = Rotation.from_euler('YX', [yaw_deg, -pitch_deg], degrees=True).as_matrix()
    geometry = PairGeometry(np.eye(3), R, np.radians(0.3), confident, False, np.zeros(3), np.radians(0.1))
    zero = np.zeros(3)
    motion = RelativeMotion(np.eye(4))
    return OdometryEstimate(
        10**18 + second * 10**9, np.eye(4), zero, zero, np.eye(6), np.eye(6), motion, geometry=geometry
    )


def test_the_direction_of_travel_is_told_in_degrees_below_and_to_the_right():
    found = ways([travelled(1.5, -0.5), travelled(0.5, -0.1, confident=False)])
    np.testing.assert_allclose(np.degrees(found.pitch), [1.5, 0.5], atol=1e-9)
    np.testing.assert_allclose(np.degrees(found.yaw), [-0.5, -0.1], atol=1e-9)
    np.testing.assert_allclose(np.degrees(found.yaw_sigma), 0.1)
    assert found.remark() == (
        'Direction of travel: 1.00 deg below and 0.30 deg left of where the rig has it, on average; not confident in '
        '50 % of the frame pairs.'
    )


def test_an_estimator_that_looks_for_no_direction_has_none_to_draw(tmp_path):
    estimates = [
        OdometryEstimate(1, np.eye(4), np.zeros(3), np.zeros(3), np.eye(6), np.eye(6), RelativeMotion(np.eye(4)))
    ]
    assert ways(estimates) is None
    write_report(tmp_path / 'seen', 'a', drive(3), None, T_BASE_CAMERA, estimates=[travelled(1.0, 0.0)] * 3)
    assert 'travel.png' in names(tmp_path / 'seen')
    write_report(tmp_path / 'seen', 'a', drive(3), None, T_BASE_CAMERA, estimates=estimates)
    assert 'travel.png' not in names(tmp_path / 'seen')  # nor that of an earlier run


def measured(speed, sigma, second):
    return dataclasses.replace(
        travelled(0.0, 0.0, second=second),
        motion=RelativeMotion(np.eye(4), road=RoadMeasurement(speed, sigma, np.radians(0.2), 0.9)),
    )


def test_what_the_road_showed_is_drawn_where_it_was_measured(tmp_path):
    estimates = [measured(8.0, 0.5, 0), measured(9.0, 0.4, 1), travelled(0.0, 0.0, second=2)]
    found = road_row(estimates)
    np.testing.assert_allclose((found.seconds, found.speed, found.sigma), ((0, 1), (8, 9), (0.5, 0.4)))
    write_report(tmp_path / 'road', 'a', drive(3), None, T_BASE_CAMERA, estimates=estimates)
    assert matplotlib.image.imread(tmp_path / 'road' / 'road.png').std() > 0.0
    write_report(tmp_path / 'road', 'a', drive(3), None, T_BASE_CAMERA, estimates=[travelled(0.0, 0.0)] * 3)
    assert 'road.png' not in names(tmp_path / 'road')


def test_the_picture_of_the_direction_shows_its_line(tmp_path):
    found = ways([travelled(1.0, 0.5, k > 2, k) for k in range(9)])
    plot_travel(tmp_path / 'travel.png', found, 'drive')
    picture = matplotlib.image.imread(tmp_path / 'travel.png')
    blue = (picture[..., 2] > 0.6) & (picture[..., 0] < 0.1)
    assert blue.any()
