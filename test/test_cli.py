"""`atvio` as users call it: the files and figures that were promised, or one line that names the problem."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from samples.bags import frame_stamps_ns, imu_samples, write_drive

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.cli import common, describe
from atvio_ros.cli.main import COMMANDS, main
from atvio_ros.errors import AtvioError
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, save_model
from atvio_ros.network.config import AtvioConfig
from atvio_ros.trajectory_files import read_kitti_poses, read_tum

COMMAND = [sys.executable, '-m', 'atvio_ros.cli']


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('model') / 'tiny.safetensors'
    config = AtvioConfig(
        name='tiny', visual_widths=(4, 4, 4), lstm_hidden=4, image_height_px=32, image_width_px=64,
        inertial_encoder='none', fusion='direct_cat',
    )  # fmt: skip
    save_model(path, Atvio(config), ModelCard(trained=True))
    return path


@pytest.fixture(scope='module')
def drive(tmp_path_factory) -> Path:
    return write_drive(tmp_path_factory.mktemp('bags') / 'drive')


def call(*words: object) -> int:
    """Exit status of one command line, in this process."""
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)


def complaint(capsys, *words: object) -> str:
    """The one line on stderr of a command line that must fail, without the note on untrained weights."""
    assert call(*words) == 1
    output = capsys.readouterr()
    assert output.out == ''
    lines = [line for line in output.err.splitlines() if line != common.UNTRAINED]
    assert len(lines) == 1, output.err
    assert lines[0].startswith('atvio')
    return lines[0]


def strict_json(text: str):
    def refuse(constant: str):
        raise ValueError(f'{constant} is not JSON')

    return json.loads(text, parse_constant=refuse)


# --- command lines that cannot be understood


@pytest.mark.parametrize(
    ('words', 'problem'),
    [
        ([], 'required: COMMAND'),
        (['evaluat'], r'no command evaluat. Did you mean evaluate?'),
        (['--verbose'], 'required: COMMAND'),
        (['run'], 'required: BAG, --out'),
        (['run', 'bag', '--out', 'x', '--sped', '2'], 'unrecognized arguments: --sped 2'),
        (['metrics', '--truth', 'a', '--estimate', 'b', '--align', 'banana'], "invalid choice: 'banana'"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(words, problem, capsys):
    assert problem in complaint(capsys, *words)


def test_an_error_of_several_lines_is_told_in_one(monkeypatch, capsys):
    def fail(arguments: object) -> None:
        raise AtvioError('this\nand that')

    monkeypatch.setattr(describe, 'run', fail)
    assert complaint(capsys, 'describe') == 'atvio describe: this and that'


def test_an_error_that_is_not_expected_keeps_its_traceback(monkeypatch):
    def fail(arguments: object) -> None:
        raise KeyError('a bug')

    monkeypatch.setattr(describe, 'run', fail)
    with pytest.raises(KeyError):
        call('describe')


def test_help_lists_every_command(capsys):
    assert call('--help') == 0
    text = capsys.readouterr().out
    assert set(COMMANDS) <= set(text.split())


# --- input that cannot be used


def test_a_missing_bag_is_named(tmp_path, capsys):
    assert 'There is no bag' in complaint(capsys, 'run', tmp_path / 'nothing', '--out', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_an_empty_folder_is_no_bag(tmp_path, capsys):
    (tmp_path / 'bag').mkdir()
    assert 'without metadata.yaml' in complaint(capsys, 'run', tmp_path / 'bag', '--out', tmp_path / 'out')


def test_a_text_file_is_no_bag_whatever_its_name(tmp_path, capsys):
    (tmp_path / 'drive.mcap').write_text('Just some text.\n')
    line = complaint(capsys, 'run', tmp_path / 'drive.mcap', '--out', tmp_path / 'out')
    assert 'drive.mcap cannot be read as a bag' in line


@pytest.mark.parametrize('share', [0.3, 0.95])
def test_a_truncated_bag_is_said_to_be_damaged(share, tmp_path, capsys):
    bag = write_drive(tmp_path / 'drive')
    content = (bag / 'drive.mcap').read_bytes()
    (bag / 'drive.mcap').write_bytes(content[: int(share * len(content))])
    assert 'damaged' in complaint(capsys, 'run', bag, '--out', tmp_path / 'out')


def test_a_bag_without_images_is_told_from_one_without_imu(tmp_path, model, capsys):
    no_images, no_imu = write_drive(tmp_path / 'a', images=False), write_drive(tmp_path / 'b', imu=False)
    options = ('--out', tmp_path / 'out', '--model', model)
    assert 'has no images' in complaint(capsys, 'run', no_images, *options)
    assert 'has no IMU readings' in complaint(capsys, 'run', no_imu, *options)


def test_a_bag_that_gives_no_odometry_says_what_became_of_its_images(tmp_path, model, capsys):
    with BagWriter(tmp_path / 'bag') as bag:
        for stamp_ns in frame_stamps_ns():
            bag.write_image(stamp_ns, np.zeros((12, 16), np.uint8))
        with BagReader(write_drive(tmp_path / 'drive')) as reader:
            bag.write_imu(next(reader.imu()))
    line = complaint(capsys, 'run', tmp_path / 'bag', '--out', tmp_path / 'out', '--model', model)
    assert 'gave no odometry: 3 images, 1 first_image, 2 no_imu' in line


def test_a_topic_that_the_bag_lacks_is_named_with_those_it_has(tmp_path, drive, capsys):
    line = complaint(capsys, 'run', drive, '--out', tmp_path / 'out', '--image-topic', '/left')
    assert '/left' in line
    assert '/camera/image_raw' in line


def test_an_output_folder_that_cannot_be_made_is_named_at_once(tmp_path, drive, model, monkeypatch, capsys):
    (tmp_path / 'file').touch()
    monkeypatch.setattr('atvio_ros.evaluation.run.run_bag', None)  # before the work, not after it
    line = complaint(capsys, 'run', drive, '--out', tmp_path / 'file' / 'out', '--model', model)
    assert str(tmp_path / 'file') in line


# --- models that cannot be used


def test_a_missing_model_is_named(tmp_path, drive, capsys):
    line = complaint(capsys, 'run', drive, '--out', tmp_path / 'out', '--model', tmp_path / 'none.safetensors')
    assert 'There is no model file' in line


@pytest.mark.parametrize('keep', [0, 5, 1000, -1])
def test_a_truncated_model_is_said_to_be_no_whole_file(keep, tmp_path, drive, model, capsys):
    short = tmp_path / 'short.safetensors'
    short.write_bytes(model.read_bytes()[:keep])
    line = complaint(capsys, 'run', drive, '--out', tmp_path / 'out', '--model', short)
    assert 'short.safetensors is not a whole safetensors file' in line


def test_a_model_of_another_version_says_which_is_read(tmp_path, drive, model, capsys):
    future = tmp_path / 'future.safetensors'
    save_file(load_file(model), future, {'format': 'atvio_ros', 'format_version': '99', 'config': '{}', 'card': '{}'})
    line = complaint(capsys, 'run', drive, '--out', tmp_path / 'out', '--model', future)
    assert 'version 99; this package reads version 1' in line


def test_a_device_that_is_not_there_is_named(tmp_path, drive, capsys):
    line = complaint(capsys, 'run', drive, '--out', tmp_path / 'out', '--device', 'banana')
    assert "device 'banana' is unknown" in line


# --- what `atvio run` leaves behind

ALWAYS = {'estimate.tum', 'estimate.kitti.txt', 'trajectory.png', 'result.json', 'odometry.mcap'}
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
def with_truth(tmp_path_factory, drive, model) -> Run:
    return run(drive, tmp_path_factory.mktemp('run') / 'out', '--model', model, '--json')


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
        patch.setattr('atvio_ros.odometry.estimator.default_model_path', lambda: None)
        return run(folder / '[bare]', folder / '[out]')


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


def test_json_is_all_that_comes_on_stdout(with_truth):
    assert with_truth.stdout == (with_truth.out / 'result.json').read_text()
    assert with_truth.stderr == '3 images and 9 IMU readings received; without odometry: 1 first_image.\n'


def test_without_ground_truth_there_are_no_figures_and_nothing_of_an_earlier_run(without_truth):
    assert {path.name for path in without_truth.out.iterdir()} == ALWAYS
    content = strict_json((without_truth.out / 'result.json').read_text())
    assert set(content['average']) >= FIGURES
    assert content['average']['t_rel'] is None
    assert content['sequences']['[bare]']['frames'] == 3


def test_the_last_line_says_where_the_results_are_brackets_and_all(without_truth):
    assert without_truth.stdout.splitlines()[-1].endswith(str(without_truth.out))


def test_without_a_model_the_first_note_says_that_the_weights_are_random(without_truth):
    assert without_truth.stderr.splitlines()[0] == common.UNTRAINED
    assert strict_json((without_truth.out / 'result.json').read_text())['trained'] is False


def test_what_the_bag_left_unsaid_is_said_in_a_note_of_one_line(without_truth):
    note = without_truth.stderr.splitlines()[1]
    assert 'no transform from base_link to cam[/left]' in note
    assert 'no transform from base_link to imu_link' in note


# --- as a process


def test_a_process_that_fails_says_so_in_one_line_and_without_a_traceback(tmp_path):
    words = [*COMMAND, 'metrics', '--truth', tmp_path / 'none', '--estimate', tmp_path / 'none']
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr.startswith(f'atvio metrics: There is no trajectory file {tmp_path / "none"}')
    assert done.stderr.count('\n') == 1


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    truth = tmp_path / 'truth.txt'
    row = ' '.join(map(repr, np.eye(4)[:3].ravel().tolist()))
    truth.write_text(f'{row}\n' * 3)
    words = [*COMMAND, 'metrics', '--truth', truth, '--estimate', truth]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert errors == ''
