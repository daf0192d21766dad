"""What `atvio run` leaves behind: the files and figures that were promised, and what it says of them."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from samples.bags import frame_stamps_ns, imu_samples
from samples.command_line import call, strict_json

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.cli import estimator_options
from atvio_ros.trajectory_files import read_kitti_poses, read_tum

ALWAYS = {
    'estimate.tum',
    'estimate.kitti.txt',
    'trajectory.png',
    'result.json',
    'odometry.mcap',
    'timeline.csv',
    'pictures.zip',
    'view.html',
}
WITH_TRUTH = ALWAYS | {'truth.tum', 'truth.kitti.txt', 'errors.png'}
FIGURES = {'t_rel', 'r_rel', 'ate_m', 'length_m', 'frames'}


@dataclass(frozen=True)
class Run:
    """What one call of `atvio run` left behind."""

    out: Path
    stdout: str
    stderr: str


def run(bag: Path, out: Path, *words: object) -> Run:
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        assert call('run', bag, '--out', out, *words) == 0
    return Run(out, stdout.getvalue(), stderr.getvalue())


@pytest.fixture(scope='module')
def with_truth(tmp_path_factory, tiny_drive, tiny_model) -> Run:
    return run(tiny_drive, tmp_path_factory.mktemp('run') / 'out', '--model', tiny_model, '--json')


@pytest.fixture(scope='module')
def without_truth(tmp_path_factory, with_truth) -> Run:
    """A bag without ground truth or transforms, with brackets in its names, over the results of another; no model."""
    folder = tmp_path_factory.mktemp('[old]')
    shutil.copytree(with_truth.out, folder / '[out]')
    with BagWriter(folder / '[bare]') as bag:
        for sample in imu_samples():
            bag.write_imu(sample)
        for stamp_ns in frame_stamps_ns():
            bag.write_image(stamp_ns, np.zeros((12, 16), np.uint8), frame_id='cam[/left]')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('atvio_ros.odometry.loading.default_model_path', lambda: None)
        return run(folder / '[bare]', folder / '[out]', '--estimator', 'network')


def test_run_writes_the_promised_files(with_truth):
    out = with_truth.out
    assert {path.name for path in out.iterdir()} == WITH_TRUTH
    assert (out / 'trajectory.png').read_bytes().startswith(b'\x89PNG')
    estimate, truth = read_tum(out / 'estimate.tum'), read_tum(out / 'truth.tum')
    assert estimate.stamps_ns.tolist() == truth.stamps_ns.tolist() == frame_stamps_ns()
    np.testing.assert_array_equal(truth.poses[:, 0, 3], [0.0, 1.0, 2.0])
    assert len(read_kitti_poses(out / 'estimate.kitti.txt')) == 3
    camera = read_kitti_poses(out / 'truth.kitti.txt')
    np.testing.assert_allclose(camera[:, :3, 3], [[0, 0, 0], [0, 0, 1], [0, 0, 2]], atol=1e-9)  # optical z is forward


def test_the_recorded_odometry_is_that_of_the_trajectory_file(with_truth):
    with BagReader(with_truth.out / 'odometry.mcap') as bag:
        recorded = bag.trajectory('/odometry')
    written = read_tum(with_truth.out / 'estimate.tum')
    np.testing.assert_array_equal(recorded.stamps_ns, written.stamps_ns[1:])
    np.testing.assert_allclose(recorded.poses, written.poses[1:], atol=1e-9)


def test_result_json_is_strict_and_has_its_keys(with_truth):
    content = strict_json((with_truth.out / 'result.json').read_text())
    assert set(content) >= {'sequences', 'average'}
    assert list(content['sequences']) == ['drive']
    assert set(content['sequences']['drive']) >= FIGURES
    assert set(content['average']) >= FIGURES
    assert content['sequences']['drive']['frames'] == 3
    assert content['sequences']['drive']['t_rel'] is None  # two metres hold no segment of 100 m
    assert content['dropped'] == {'first_image': 1}
    assert content['trained'] is True
    assert content['estimator'] == 'network'
    assert content['rig']['camera_height'] is None
    assert content['rig']['sources'] == dict.fromkeys(('T_base_camera', 'T_base_imu'), '/tf_static') | {
        'camera': 'camera_info'
    }


def test_json_is_all_that_comes_on_stdout(with_truth):
    assert with_truth.stdout == (with_truth.out / 'result.json').read_text()
    left_out, received = with_truth.stderr.splitlines()
    assert left_out.startswith('Nobody says, so the default holds: no camera_height')
    assert received == '3 images and 9 IMU readings received; without odometry: 1 first_image.'


def test_without_ground_truth_there_are_no_figures_and_nothing_of_an_earlier_run(without_truth):
    assert {path.name for path in without_truth.out.iterdir()} == ALWAYS
    content = strict_json((without_truth.out / 'result.json').read_text())
    assert set(content['average']) >= FIGURES
    assert content['average']['t_rel'] is None
    assert content['sequences']['[bare]']['frames'] == 3


def test_the_last_line_says_where_the_results_are_brackets_and_all(without_truth):
    assert without_truth.stdout.splitlines()[-1].endswith(str(without_truth.out))


def test_without_a_model_the_first_note_says_that_the_weights_are_random(without_truth):
    assert without_truth.stderr.splitlines()[0] == estimator_options.UNTRAINED
    assert strict_json((without_truth.out / 'result.json').read_text())['trained'] is False


def test_what_the_bag_left_unsaid_is_said_in_a_note_of_one_line(without_truth):
    note = without_truth.stderr.splitlines()[1]
    assert note.startswith('Nobody says, so the default holds: no camera calibration; base_to_camera: looking along')


def test_the_odometry_between_images_has_a_pose_for_every_reading_behind_the_first_odometry(
    tmp_path, tiny_drive, tiny_model
):
    file = tmp_path / 'predicted.tum'
    said = run(tiny_drive, tmp_path / 'out', '--model', tiny_model, '--predicted', file)
    predicted, odometry = read_tum(file), read_tum(said.out / 'estimate.tum')
    readings = [sample.stamp_ns for sample in imu_samples() if sample.stamp_ns > frame_stamps_ns()[1]]
    assert predicted.stamps_ns.tolist() == readings
    way = np.linalg.norm(predicted.poses[0, :3, 3] - odometry.poses[1, :3, 3])
    assert 0.0 < way < np.linalg.norm(odometry.poses[1, :3, 3])  # a quarter of an interval on
    assert 'at every IMU reading' in ' '.join(said.stderr.split())
