"""Loose KITTI files become a bag with the same pixels, readings and poses, at times that follow the images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from samples.kitti import (
    CAM_TO_CAM,
    FRAME_NS,
    IMU_TO_VELO,
    SIZE,
    VELO_TO_CAM,
    camera_poses,
    picture,
    write_loose,
    write_picture,
)
from scipy.io import savemat

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.cli.main import main
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.drives.kitti_loose import EPOCH_NS, loose_drive
from atvio_ros.drives.kitti_tables import interpolated_intervals, read_imu_table, read_times, spread_stamps
from atvio_ros.errors import AtvioError, DatasetError
from atvio_ros.geometry import inverse, relative_poses
from atvio_ros.transform_tree import lookup
from atvio_ros.types import ImuSample

CLIPS = Path(__file__).parents[1] / '../shared/data/kitti/clips'


def export(paths: dict[str, Path], out: Path, *more: str) -> int:
    words = [word for name, path in paths.items() for word in (f'--{name}', str(path))]
    return main(['export-kitti', *words, '--out', str(out), *more])


def test_loose_files_become_a_bag_with_the_same_content(tmp_path, capsys):
    paths = write_loose(tmp_path)
    assert export(paths, tmp_path / 'bag', '--intrinsics', '30,31,20,12') == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'Wrote {tmp_path / "bag"}'
    with BagReader(tmp_path / 'bag') as bag:
        events = list(bag.events())
        truth, info = bag.ground_truth(), bag.camera_info()
        T_base_camera = lookup(bag.static_transforms(), 'base_link', 'camera')
        T_base_imu = lookup(bag.static_transforms(), 'base_link', 'imu_link')
    images = [event for event in events if isinstance(event, BagImage)]
    imu = [event for event in events if isinstance(event, ImuSample)]

    stamps_ns = [EPOCH_NS + i * FRAME_NS for i in range(4)]
    assert [image.stamp_ns for image in images] == truth.stamps_ns.tolist() == stamps_ns
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image.image, picture(i))
    assert [sample.stamp_ns for sample in imu[::10]] == stamps_ns
    table = np.loadtxt(paths['imu'])
    np.testing.assert_array_equal([sample.linear_acceleration for sample in imu], table[:, :3])
    np.testing.assert_array_equal([sample.angular_velocity for sample in imu], table[:, 3:])
    assert info.intrinsics == (30.0, 31.0, 20.0, 12.0)
    assert (info.width_px, info.height_px) == SIZE
    np.testing.assert_array_equal(T_base_imu, np.eye(4))
    np.testing.assert_allclose(inverse(T_base_camera) @ truth.poses @ T_base_camera, camera_poses(4), atol=1e-9)


def test_with_the_calibration_of_the_day_the_camera_is_where_it_says_and_the_truth_is_the_same_motion(tmp_path, capsys):
    paths = write_loose(tmp_path)
    (tmp_path / 'day').mkdir()
    for name, text in (('cam_to_cam', CAM_TO_CAM), ('imu_to_velo', IMU_TO_VELO), ('velo_to_cam', VELO_TO_CAM)):
        (tmp_path / 'day' / f'calib_{name}.txt').write_text(text.replace('-0.80', '-0.90'))
    assert export(paths, tmp_path / 'bag', '--calibration', str(tmp_path / 'day')) == 0
    assert 'nominally' not in capsys.readouterr().out
    with BagReader(tmp_path / 'bag') as bag:
        truth, rig = bag.ground_truth(), bag_rig(bag).rig
    np.testing.assert_allclose(rig.T_base_camera[:3, 3], (1.08, -0.32, 0.83), atol=1e-9)
    assert rig.needed_camera.intrinsics == (30.0, 30.0, 20.0, 12.0)
    assert (rig.camera_height, rig.gyro_lag, rig.accelerometer_lag) == (1.65, 0.066, 0.015)
    T = rig.T_base_camera
    np.testing.assert_allclose(inverse(T) @ truth.poses @ T, camera_poses(4), atol=1e-9)


def test_a_nominal_place_is_said_with_what_would_be_better(tmp_path, capsys):
    assert export(write_loose(tmp_path), tmp_path / 'bag') == 0
    assert 'placed nominally' in (said := capsys.readouterr().out)
    assert '--calibration' in said


def test_a_camera_moving_along_its_axis_moves_base_link_along_x_and_turns_it_left_about_z(tmp_path):
    drive = loose_drive(**write_loose(tmp_path))
    np.testing.assert_allclose(drive.truth.poses[0], np.eye(4), atol=1e-12)
    step = relative_poses(drive.truth.poses)[0]
    assert step[0, 3] == pytest.approx(1.0, abs=0.01)
    assert np.arctan2(step[1, 0], step[0, 0]) == pytest.approx(0.02)


def test_imu_rows_divide_each_interval_evenly_whatever_its_length():
    stamps_ns = spread_stamps(np.array([5, 105, 305]))
    assert stamps_ns.tolist() == [*range(5, 105, 10), *range(105, 305, 20), 305]


def test_times_are_read_as_decimals(tmp_path):
    (tmp_path / 'times.txt').write_text('0.000000e+00\n1.036224e-01\n\n1317646534.997992704\n')
    assert read_times(tmp_path / 'times.txt').tolist() == [0, 103_622_400, 1_317_646_534_997_992_704]


def test_times_that_would_not_fit_into_nanoseconds_are_refused_at_once(tmp_path):
    for text in ('1e700001', '5e9', '-5e9'):
        (tmp_path / 'times.txt').write_text(text)
        with pytest.raises(DatasetError, match=f"line 1: '{text}' is not a number of seconds"):
            read_times(tmp_path / 'times.txt')


def test_a_row_of_the_file_is_accelerometer_first_and_a_reading_gyro_first(tmp_path):
    (tmp_path / 'imu.txt').write_text('1 2 3 4 5 6\n')
    assert read_imu_table(tmp_path / 'imu.txt').tolist() == [[4, 5, 6, 1, 2, 3]]


def test_a_mat_file_reads_as_the_text_table(tmp_path):
    paths = write_loose(tmp_path)
    savemat(tmp_path / 'imu.mat', {'imu_data_interp': np.loadtxt(paths['imu'])})
    np.testing.assert_array_equal(read_imu_table(tmp_path / 'imu.mat'), read_imu_table(paths['imu']))


def test_intervals_that_only_interpolate_over_a_gap_are_found():
    values = np.random.default_rng(0).normal(size=(51, 6))
    values[10:31] = np.linspace(values[10], values[30], 21)
    assert interpolated_intervals(values) == [(1, 3)]
    assert interpolated_intervals(np.random.default_rng(0).normal(size=(51, 6))) == []


def test_json_gives_the_summary_and_nothing_else_on_stdout(tmp_path, capsys):
    assert export(write_loose(tmp_path), tmp_path / 'bag', '--json') == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary['frames'], summary['imu_readings'], summary['imu_gaps']) == (4, 31, [])
    assert summary['length_m'] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('times.txt', '0\n0.1\n', r'has 4 images but .*times\.txt 2 times'),
        ('times.txt', '0\n0.1\n0.1\n0.2\n', r'line 3: times must increase'),
        ('times.txt', '0\nx\n', r"line 2: 'x' is not a number"),
        ('times.txt', '0\nnan\n', r'line 2'),
        ('times.txt', '', r'holds no times'),
        ('imu.txt', '1 2 3 4 5 6\n', r'has 1 rows; 4 images need 31'),
        ('imu.txt', '1 2 3\n' * 31, r'\(31, 3\); give rows of six'),
        ('imu.txt', '1 2 3 4 5 x\n', r'not a table of numbers'),
        ('imu.txt', '1 2 3 4 5 nan\n' * 31, r'row 0: .*NaN'),
        ('imu.mat', 'text', r'cannot be read as a MATLAB file'),
        ('poses.txt', '1 0 0 0 0 1 0 0 0 0 1 0\n', r'has 4 images but .*poses\.txt 1 poses'),
        ('images/000002.png', 'no image', r'000002\.png: .*neither JPEG nor PNG'),
    ],
)
def test_files_that_do_not_fit_are_named_in_one_line_and_no_bag_is_left(name, content, message, tmp_path, capsys):
    paths = write_loose(tmp_path, imu='imu.mat' if name == 'imu.mat' else 'imu.txt')
    (tmp_path / name).write_text(content)
    before = sorted(tmp_path.iterdir())
    assert export(paths, tmp_path / 'bag') == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith('atvio export-kitti: ')]
    assert re.search(message, line), line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize('name', ['images', 'times', 'imu', 'poses'])
def test_a_missing_file_is_named(name, tmp_path):
    paths = write_loose(tmp_path)
    paths[name] = tmp_path / 'nowhere'
    with pytest.raises(AtvioError, match=r'There is no .*nowhere'):
        loose_drive(**paths)


def test_an_image_of_another_size_is_refused(tmp_path, capsys):
    paths = write_loose(tmp_path)
    write_picture(tmp_path / 'images' / '000003.png', np.zeros((5, 5), np.uint8))
    assert export(paths, tmp_path / 'bag') == 1
    assert '5x5 pixels, the images before it 40x24' in capsys.readouterr().err


def test_an_existing_bag_is_not_overwritten(tmp_path, capsys):
    (tmp_path / 'bag').mkdir()
    assert export(write_loose(tmp_path), tmp_path / 'bag') == 1
    assert 'exists already' in capsys.readouterr().err


@pytest.mark.parametrize('extra', [['--sequence', '04'], ['--intrinsics', '1,2,3'], ['--intrinsics', '0,1,1,1']])
def test_options_that_make_no_sense_together_are_refused(extra, tmp_path, capsys):
    assert export(write_loose(tmp_path), tmp_path / 'bag', *extra) == 1
    assert capsys.readouterr().err.count('\n') == 1


def test_a_mat_file_without_the_table_says_what_it_holds(tmp_path):
    savemat(tmp_path / 'imu.mat', {'other': np.zeros((3, 6))})
    with pytest.raises(DatasetError, match='has no imu_data_interp; it holds other'):
        read_imu_table(tmp_path / 'imu.mat')


@pytest.mark.skipif(not CLIPS.is_dir(), reason='needs ../shared/data/kitti')
def test_a_real_clip_shows_gravity_up_and_a_gyro_that_agrees_with_the_poses():
    clip = CLIPS / '00_000000-000099'
    drive = loose_drive(clip / 'image_0', clip / 'times.txt', clip / 'imu_100hz.txt', clip / 'poses.txt')
    np.testing.assert_allclose(drive.imu.values[:, 3:].mean(axis=0), [0.0, 0.0, 9.81], atol=0.5)
    steps = relative_poses(drive.truth.poses)
    yaw_rates = np.arctan2(steps[:, 1, 0], steps[:, 0, 0]) / (np.diff(drive.stamps_ns) / 1e9)
    gyro = drive.imu.values[:-1, 2].reshape(-1, 10).mean(axis=1)
    assert np.corrcoef(yaw_rates, gyro)[0, 1] > 0.99
    assert (steps[:, 0, 3] > 0.4).all()  # forward
