"""What is said of the robot on the command line: options, rig files, and which of them wins."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from samples.bags import T_BASE_CAMERA, write_drive
from samples.command_line import call, complaint, strict_json

from atvio_ros.bags.reader import BagReader
from atvio_ros.cli import common
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.resources import find_resource
from atvio_ros.rig.rig import RigPart

POSE = '-0.1 0.2 1.5 -0.5 0.5 -0.5 0.5'
KALIBR = """cam0:
  camera_model: pinhole
  intrinsics: [14.0, 14.0, 7.5, 5.5]
  distortion_model: radtan
  distortion_coeffs: [0.01, 0.0, 0.0, 0.0]
  resolution: [16, 12]
  timeshift_cam_imu: 0.004
  T_cam_imu:
  - [0.0, -1.0, 0.0, 0.1]
  - [0.0, 0.0, -1.0, 0.0]
  - [1.0, 0.0, 0.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
"""


def given(*words: str) -> RigPart | None:
    parser = argparse.ArgumentParser()
    common.add_rig_options(parser)
    return common.given_rig(parser.parse_args(words))


def test_nothing_given_is_nothing_said():
    assert given() is None


def test_options_say_the_robot():
    part = given('--camera-height', '0.6', '--base-to-camera', POSE, '--imu-time-offset=-0.02')
    assert part is not None
    assert (part.camera_height, part.imu_time_offset) == (0.6, -0.02)
    np.testing.assert_allclose(part.T_base_camera[:3, 3], [-0.1, 0.2, 1.5])
    np.testing.assert_allclose(part.T_base_camera[:3, :3] @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    assert part.T_base_imu is None


def test_options_win_over_the_file_and_the_file_over_the_bag(tmp_path):
    (tmp_path / 'rig.yaml').write_text('camera_height: 0.6\ngyro_lag: 0.02\n')
    part = given('--rig', str(tmp_path / 'rig.yaml'), '--camera-height', '0.8', '--base-to-camera', POSE)
    with BagReader(write_drive(tmp_path / 'drive')) as reader:
        rig, reports, sources = bag_rig(reader, part)
    assert (rig.camera_height, rig.gyro_lag) == (0.8, 0.02)
    assert rig.T_base_camera[2, 3] == 1.5
    assert sources['T_base_camera'] == 'options and rig.yaml'
    assert sources['T_base_imu'] == '/tf_static'
    assert any('base_to_camera: /tf_static differs from options and rig.yaml' in report for report in reports)


@pytest.mark.parametrize('both', [False, True])
def test_the_place_of_the_imu_comes_from_kalibr_unless_it_is_given(both, tmp_path):
    (tmp_path / 'camchain.yaml').write_text(KALIBR)
    options = ['--rig', str(tmp_path / 'camchain.yaml'), '--base-to-camera', POSE]
    options += ['--base-to-imu', '0 0 0.3 0 0 0 1'] if both else []
    with BagReader(write_drive(tmp_path / 'drive')) as reader:
        rig = bag_rig(reader, given(*options)).rig
    assert rig.imu_time_offset == -0.004
    assert rig.needed_camera.distortion_model == 'plumb_bob'
    np.testing.assert_allclose(rig.T_base_imu[:3, 3], [0.0, 0.0, 0.3] if both else [-0.1, 0.1, 1.5], atol=1e-9)


def test_kittis_rig_ships():
    path = find_resource('config/rigs/kitti.yaml')
    assert path is not None
    part = given('--rig', str(path))
    assert part is not None
    assert (part.camera_height, part.gyro_lag) == (1.65, 0.066)


def test_evaluate_takes_the_road_and_a_height_and_says_so(tmp_path, tiny_drive, capsys):
    words = ['evaluate', tiny_drive, '--out', tmp_path / 'out', '--estimator', 'road', '--camera-height', '1.1']
    assert call(*words, '--json') == 0
    assert strict_json(capsys.readouterr().out)['estimator'] == 'road'
    notes = strict_json((tmp_path / 'out' / 'drive' / 'result.json').read_text())
    assert notes['rig']['camera_height'] == 1.1
    assert notes['rig']['sources']['camera_height'] == 'options'
    assert (tmp_path / 'out' / 'drive' / 'travel.png').is_file()


def test_prepare_stores_what_is_given_and_prepares_anew_when_it_changes(tmp_path, tiny_drive: Path, capsys):
    def prepare(height: str) -> str:
        assert call('prepare', tiny_drive, '--out', tmp_path / 'data', '--camera-height', height) == 0
        return capsys.readouterr().err

    prepare('1.2')
    meta = strict_json((tmp_path / 'data' / 'drive' / 'meta.json').read_text())
    assert meta['rig']['camera_height'] == 1.2
    np.testing.assert_allclose(meta['rig']['base_to_camera'][:3], T_BASE_CAMERA[:3, 3])
    assert 'prepared already' in prepare('1.2')
    assert 'prepared already' not in prepare('1.3')


@pytest.mark.parametrize('options', [['--camera-height', '1.1'], ['--model']], ids=['road', "the paper's network"])
def test_what_the_odometry_saw_is_drawn_for_each_pair(options, tmp_path, tiny_drive, tiny_model, capsys):
    options = [*options, tiny_model] if options == ['--model'] else options
    words = ['run', tiny_drive, '--out', tmp_path / 'out', '--debug-images', tmp_path / 'seen', *options]
    assert call(*words) == 0
    assert sorted(path.name for path in (tmp_path / 'seen').iterdir()) == ['000000.jpg', '000001.jpg']
    assert str(tmp_path / 'seen') in capsys.readouterr().err


def test_a_folder_for_pictures_that_cannot_be_made_is_named(tmp_path, tiny_drive, tiny_model, capsys):
    (tmp_path / 'file').touch()
    words = ['run', tiny_drive, '--out', tmp_path / 'out', '--model', tiny_model]
    assert str(tmp_path / 'file') in complaint(capsys, *words, '--debug-images', tmp_path / 'file' / 'seen')
