"""Trajectory files keep every digit, and a malformed one is refused with its name and line."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.errors import FileError, TrajectoryError
from atvio_ros.files import replacing
from atvio_ros.trajectory_files import (
    read_kitti_poses,
    read_tum,
    trajectory_format,
    write_kitti_poses,
    write_tum,
)
from atvio_ros.types import Trajectory

IDENTITY = '1 0 0 0 0 1 0 0 0 0 1 0'
AT_REST = '0 0 0 0 0 0 1'


@pytest.fixture
def poses():
    rng = np.random.default_rng(3)
    poses = np.tile(np.eye(4), (50, 1, 1))
    poses[:, :3, :3] = Rotation.from_quat(rng.normal(size=(50, 4))).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(50, 3)) * np.logspace(-12, 6, 50)[:, None]
    return poses


def test_kitti_poses_come_back_bit_for_bit(tmp_path, poses):
    write_kitti_poses(tmp_path / 'poses.txt', poses)
    np.testing.assert_array_equal(read_kitti_poses(tmp_path / 'poses.txt'), poses)


def test_tum_keeps_stamps_to_the_nanosecond_and_poses_to_rounding(tmp_path, poses):
    stamps_ns = 1_700_000_000_123_456_789 + 103_400_001 * np.arange(50)
    write_tum(tmp_path / 'a.tum', Trajectory(stamps_ns, poses))
    read = read_tum(tmp_path / 'a.tum')
    np.testing.assert_array_equal(read.stamps_ns, stamps_ns)
    np.testing.assert_array_equal(read.poses[:, :3, 3], poses[:, :3, 3])
    np.testing.assert_allclose(read.poses, poses, rtol=0, atol=1e-14)


@pytest.mark.parametrize('stamp_ns', [0, 1, -1, -1_500_000_000, 999_999_999, 2**63 - 1])
def test_any_stamp_survives_a_tum_file(tmp_path, stamp_ns):
    write_tum(tmp_path / 'a.tum', Trajectory(np.array([stamp_ns]), np.eye(4)[None]))
    assert read_tum(tmp_path / 'a.tum').stamps_ns.tolist() == [stamp_ns]


def test_tum_stamps_are_written_in_seconds_with_nine_decimals(tmp_path):
    write_tum(tmp_path / 'a.tum', Trajectory(np.array([12_000_000_034]), np.eye(4)[None]))
    assert (tmp_path / 'a.tum').read_text() == '12.000000034 0.0 0.0 0.0 0.0 0.0 0.0 1.0\n'


@pytest.mark.parametrize(
    ('printed', 'stamp_ns'),
    [
        ('1.5', 1_500_000_000),
        ('3', 3_000_000_000),
        ('1.7e+09', 1_700_000_000_000_000_000),
        ('0.12345678949', 123456789),
    ],
)
def test_tum_stamps_of_other_writers_are_understood(tmp_path, printed, stamp_ns):
    (tmp_path / 'a.tum').write_text(f'# stamp tx ty tz qx qy qz qw\n\n{printed} {AT_REST}\n')
    assert read_tum(tmp_path / 'a.tum').stamps_ns.tolist() == [stamp_ns]


def test_tum_position_and_quaternion_order(tmp_path):
    half = np.sqrt(0.5)
    (tmp_path / 'a.tum').write_text(f'0 1 2 3 0 0 {half} {half}\n')
    pose = read_tum(tmp_path / 'a.tum').poses[0]
    np.testing.assert_allclose(pose[:3, 3], [1, 2, 3])
    np.testing.assert_allclose(pose[:3, :3] @ [1, 0, 0], [0, 1, 0], atol=1e-15)  # a quarter turn to the left


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('', 'holds no poses'),
        ('# only a comment\n', 'holds no poses'),
        (f'{IDENTITY}\n\n1 2 3\n', 'line 3: 3 numbers, expected 12'),
        (f'{IDENTITY}\n{IDENTITY} 7\n', 'line 2: 13 numbers'),
        ('1 0 0 x 0 1 0 0 0 0 1 0\n', "line 1: could not convert string to float: 'x'"),
        (f'{IDENTITY}\n{IDENTITY.replace("1", "nan", 1)}\n', 'line 2: every number must be finite'),
        (f'{IDENTITY}\n2 0 0 0 0 1 0 0 0 0 1 0\n', 'line 2: .* not a rotation'),
        ('-1 0 0 0 0 1 0 0 0 0 1 0\n', 'line 1: .* not a rotation'),
    ],
)
def test_malformed_kitti_file_is_refused_with_its_line(tmp_path, text, complaint):
    (tmp_path / 'poses.txt').write_text(text)
    with pytest.raises(TrajectoryError, match=f'poses.txt.*{complaint}'):
        read_kitti_poses(tmp_path / 'poses.txt')


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('', 'holds no poses'),
        (f'0 {AT_REST}\n1 2 3\n', 'line 2: 3 numbers, expected 8'),
        (f'# comment\nnoon {AT_REST}\n', 'line 2: could not convert'),
        (f'nan {AT_REST}\n', 'line 1: every number must be finite'),
        (f'1e300 {AT_REST}\n', 'line 1: the stamp 1e300 s is out of range'),
        (f'1700000000123456789 {AT_REST}\n', 'TUM stamps are seconds'),
        ('0 0 0 0 0 0 0 0\n', 'line 1: the quaternion has length 0'),
        ('0 1 2 3 4 5 6 7\n', 'line 1: the quaternion has length 11.2'),
    ],
)
def test_malformed_tum_file_is_refused_with_its_line(tmp_path, text, complaint):
    (tmp_path / 'a.tum').write_text(text)
    with pytest.raises(TrajectoryError, match=f'a.tum.*{complaint}'):
        read_tum(tmp_path / 'a.tum')


@pytest.mark.parametrize('read', [read_kitti_poses, read_tum, trajectory_format])
def test_what_is_no_text_file_is_refused(tmp_path, read):
    (tmp_path / 'picture.png').write_bytes(b'\x89PNG\r\n\xff\xfe')
    with pytest.raises(TrajectoryError, match='not a text file'):
        read(tmp_path / 'picture.png')
    with pytest.raises(TrajectoryError, match='There is no trajectory file'):
        read(tmp_path / 'missing.txt')
    with pytest.raises(TrajectoryError, match='cannot be read'):
        read(tmp_path)


def test_format_is_seen_from_the_number_of_columns(tmp_path):
    file = tmp_path / 'trajectory'
    file.write_text(IDENTITY)
    assert trajectory_format(file) == 'kitti'
    file.write_text(f'# TUM\n0 {AT_REST}')
    assert trajectory_format(file) == 'tum'
    file.write_text('1,2,3')
    with pytest.raises(TrajectoryError, match='has 1 columns'):
        trajectory_format(file)


def test_a_pose_that_is_not_finite_is_not_written_and_the_old_file_stays(tmp_path, poses):
    files = {tmp_path / 'poses.txt': write_kitti_poses, tmp_path / 'a.tum': None}
    for file in files:
        file.write_text('old')
    poses[7, 0, 3] = np.nan
    with pytest.raises(TrajectoryError, match='pose 7 of 50 holds NaN'):
        write_kitti_poses(tmp_path / 'poses.txt', poses)
    with pytest.raises(TrajectoryError, match='pose 7 of 50 holds NaN'):
        write_tum(tmp_path / 'a.tum', Trajectory(np.arange(50), poses))
    assert {file: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(files, 'old')


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / 'a.tum'
    target.write_text('old')

    def write_half() -> None:
        with replacing(target) as temporary:
            temporary.write_text('half')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [file.name for file in tmp_path.iterdir()] == ['a.tum']
    assert target.read_text() == 'old'


def test_a_missing_folder_is_an_expected_error(tmp_path, poses):
    with pytest.raises(FileError, match='cannot be written: No such file or directory'):
        write_kitti_poses(tmp_path / 'missing' / 'poses.txt', poses)


def test_an_empty_trajectory_is_an_empty_file(tmp_path):
    write_tum(tmp_path / 'a.tum', Trajectory(np.array([], dtype=np.int64), np.empty((0, 4, 4))))
    assert (tmp_path / 'a.tum').read_text() == ''


def test_evo_reads_our_files_as_we_do(tmp_path, poses):
    file_interface = pytest.importorskip('evo.tools.file_interface')
    stamps_ns = 1_000_000_000 + 100_000_000 * np.arange(50)
    write_kitti_poses(tmp_path / 'poses.txt', poses)
    write_tum(tmp_path / 'a.tum', Trajectory(stamps_ns, poses))
    kitti = file_interface.read_kitti_poses_file(str(tmp_path / 'poses.txt'))
    tum = file_interface.read_tum_trajectory_file(str(tmp_path / 'a.tum'))
    np.testing.assert_array_equal(np.array(kitti.poses_se3), poses)
    np.testing.assert_allclose(np.array(tum.poses_se3), poses, atol=1e-14)
    np.testing.assert_allclose(tum.timestamps, stamps_ns / 1e9)


def test_kitti_ground_truth_reads_as_rotations():
    folder = Path(__file__).parents[1] / '../shared/data/kitti/poses'
    if not folder.is_dir():
        pytest.skip(f'no KITTI poses in {folder}')
    poses = read_kitti_poses(folder / '06.txt')
    assert poses.shape == (1101, 4, 4)
    np.testing.assert_allclose(poses[0], np.eye(4), atol=1e-9)
