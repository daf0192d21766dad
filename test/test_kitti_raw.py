"""KITTI's raw layout becomes a bag: right frames, exact stamps, sorted IMU, gaps reported, calibrated camera."""

from __future__ import annotations

import json

import numpy as np
import pytest
from samples.kitti import (
    FRAME_NS,
    IMU_NS,
    START,
    camera_poses,
    packet,
    picture,
    write_raw,
)

from atvio_ros.bags.reader import BagReader
from atvio_ros.cli.main import main
from atvio_ros.drives.imu_readings import find_gaps, order_readings
from atvio_ros.drives.kitti_calibration import read_calibration
from atvio_ros.drives.kitti_raw import SEQUENCES, raw_drive, read_timestamps, whole_drive
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse
from atvio_ros.transform_tree import lookup

START_NS = int(START.astype(np.int64))


def test_a_raw_drive_becomes_a_bag_with_its_stamps_images_readings_and_calibration(tmp_path, capsys):
    raw = write_raw(tmp_path)
    words = ['--raw', str(raw), '--poses', str(raw / 'poses'), '--sequence', '04', '--out', str(tmp_path / 'bag')]
    assert main(['export-kitti', *words]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'Wrote {tmp_path / "bag"}'
    with BagReader(tmp_path / 'bag') as bag:
        images, imu, truth = list(bag.images()), list(bag.imu()), bag.ground_truth()
        info = bag.camera_info()
        T_base_camera = lookup(bag.static_transforms(), 'base_link', 'camera')
    stamps_ns = [START_NS + i * FRAME_NS for i in range(4)]
    assert [image.stamp_ns for image in images] == truth.stamps_ns.tolist() == stamps_ns
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image.image, picture(i, colour=True))
    assert imu[0].stamp_ns == START_NS - 5 * IMU_NS
    np.testing.assert_array_equal(imu[3].linear_acceleration, packet(3)[11:14])
    np.testing.assert_array_equal(imu[3].angular_velocity, packet(3)[17:20])
    assert info.intrinsics == (30.0, 30.0, 20.0, 12.0)
    # camera 2 sits 1.8 / 30 = 0.06 m left of camera 0, which the files put at (1.08, -0.32, 0.73).
    np.testing.assert_allclose(T_base_camera[:3, :3], R_BODY_OPTICAL, atol=1e-9)
    np.testing.assert_allclose(T_base_camera[:3, 3], [1.08, -0.26, 0.73], atol=1e-9)


def test_ground_truth_is_the_motion_of_camera_0_whichever_camera_is_exported(tmp_path):
    raw = write_raw(tmp_path / 'a', camera='image_02')
    colour = raw_drive(raw, '04', raw / 'poses', 'image_02')
    raw = write_raw(tmp_path / 'b', camera='image_00')
    grey = raw_drive(raw, '04', raw / 'poses', 'image_00')
    np.testing.assert_array_equal(colour.truth.poses, grey.truth.poses)
    T = grey.rig.T_base_camera  # camera 0
    np.testing.assert_allclose(inverse(T) @ grey.truth.poses @ T, camera_poses(4), atol=1e-9)


def test_image_0_of_sequence_08_is_frame_1100_of_its_drive(tmp_path):
    raw = write_raw(tmp_path, '2011_09_30_drive_0028', '08', range(1098, 1103))
    drive = raw_drive(raw, '08', raw / 'poses')
    assert [path.stem for path in drive.image_paths] == ['0000001100', '0000001101', '0000001102']
    assert drive.stamps_ns[0] == START_NS + 1100 * FRAME_NS
    assert drive.truth.stamps_ns.tolist() == drive.stamps_ns.tolist()
    np.testing.assert_allclose(drive.truth.poses[0], np.eye(4), atol=1e-12)


def test_the_sequences_have_the_lengths_of_the_odometry_benchmark():
    lengths = {name: which.last_frame - which.first_frame + 1 for name, which in SEQUENCES.items()}
    assert lengths == {
        '00': 4541,
        '01': 1101,
        '02': 4661,
        '04': 271,
        '05': 2761,
        '06': 1101,
        '07': 1101,
        '08': 4071,
        '09': 1591,
        '10': 1201,
    }


def test_timestamps_keep_their_nanoseconds(tmp_path):
    (tmp_path / 't.txt').write_text('2011-10-03 12:55:34.997992704\n2011-10-03 12:55:35.097991168\n')
    assert read_timestamps(tmp_path / 't.txt').tolist() == [1_317_646_534_997_992_704, 1_317_646_535_097_991_168]


def test_oxts_stamps_are_sorted_with_their_readings_and_repeated_ones_left_out():
    stamps_ns = np.array([10, 40, 20, 30, 40, 50])
    imu = order_readings(stamps_ns, np.arange(6.0)[:, None] * np.ones(6))
    assert imu.stamps_ns.tolist() == [10, 20, 30, 40, 50]
    assert imu.values[:, 0].tolist() == [0.0, 2.0, 3.0, 1.0, 5.0]  # the first of the two at 40
    assert (imu.out_of_order, imu.duplicates) == (2, 1)


def test_every_gap_is_reported_with_place_length_and_the_images_it_touches(tmp_path, capsys):
    oxts_ns = np.arange(-5 * IMU_NS, 4 * FRAME_NS, IMU_NS)
    missing = (oxts_ns > 1.2 * FRAME_NS) & (oxts_ns < 2.4 * FRAME_NS)
    kept_ns = oxts_ns[~missing]
    kept_ns[[7, 8]] = kept_ns[[8, 7]]  # out of order
    kept_ns = np.append(kept_ns, kept_ns[3])  # repeated
    raw = write_raw(tmp_path, oxts_ns=kept_ns)
    words = ['--raw', str(raw), '--sequence', '4', '--out', str(tmp_path / 'bag'), '--json']
    assert main(['export-kitti', *words]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary['imu_out_of_order'], summary['imu_duplicates']) == (2, 1)
    (gap,) = summary['imu_gaps']
    assert gap['length_ms'] == (missing.sum() + 1) * 10
    assert gap['start_s'] == pytest.approx(oxts_ns[missing][0] / 1e9 - 0.01)
    assert (gap['first_frame'], gap['last_frame']) == (1, 3)


def test_readings_that_begin_late_or_end_early_are_gaps_too():
    images_ns = np.arange(5) * 100_000_000
    gaps = find_gaps(np.arange(150_000_000, 300_000_001, IMU_NS), images_ns, IMU_NS)
    assert [(gap.start_ns, gap.end_ns) for gap in gaps] == [(0, 150_000_000), (300_000_000, 400_000_000)]
    assert [(gap.first_frame, gap.last_frame) for gap in gaps] == [(0, 2), (3, 4)]
    assert find_gaps(np.arange(0, 400_000_001, IMU_NS), images_ns, IMU_NS) == []


def test_images_of_the_unsynced_drive_are_rectified(tmp_path):
    raw = write_raw(tmp_path, kind='extract')
    drive = raw_drive(raw, '04')
    assert 'rectified here' in drive.notes[-1]
    # Without distortion and with K = P, rectifying changes nothing.
    np.testing.assert_array_equal(drive.rectify(picture(1, colour=True)), picture(1, colour=True))
    cam_to_cam = raw / '2011_09_30' / 'calib_cam_to_cam.txt'
    cam_to_cam.write_text(cam_to_cam.read_text().replace('K_02: 30 0 20', 'K_02: 30 0 22'))
    shifted = raw_drive(raw, '04').rectify(picture(1))
    np.testing.assert_array_equal(shifted[:, :-2], picture(1)[:, 2:])  # principal point 2 px to the right


def test_without_calibration_files_the_camera_is_placed_nominally_and_said_so(tmp_path):
    raw = write_raw(tmp_path)
    for file in (raw / '2011_09_30').glob('calib_*'):
        file.unlink()
    drive = raw_drive(raw, '04', raw / 'poses')
    np.testing.assert_array_equal(drive.rig.T_base_camera[:3, 3], [1.08, -0.32, 0.73])
    assert drive.rig.camera is None
    assert any('nominally' in note for note in drive.notes)
    assert any('no intrinsics' in note for note in drive.notes)


def test_rectification_turns_the_camera(tmp_path):
    raw = write_raw(tmp_path)
    cam_to_cam = raw / '2011_09_30' / 'calib_cam_to_cam.txt'
    quarter = 'R_rect_00: 0 1 0 -1 0 0 0 0 1'  # rectified x is the old y
    cam_to_cam.write_text(cam_to_cam.read_text().replace('R_rect_00: 1 0 0 0 1 0 0 0 1', quarter))
    calibration = read_calibration(raw / '2011_09_30', '00')
    np.testing.assert_allclose(calibration.T_base_camera0[:3, 0], R_BODY_OPTICAL[:, 1], atol=1e-9)


def remove_extract(raw):
    (raw / '2011_09_30' / '2011_09_30_drive_0016_extract').rename(raw / 'elsewhere')


def remove_images(raw):
    (raw / '2011_09_30' / '2011_09_30_drive_0016_sync').rename(raw / 'elsewhere')


def shorten_stamps(raw):
    path = raw / '2011_09_30/2011_09_30_drive_0016_sync/image_02/timestamps.txt'
    path.write_text('\n'.join(path.read_text().splitlines()[:2]))


def break_stamp(raw):
    path = raw / '2011_09_30/2011_09_30_drive_0016_extract/oxts/timestamps.txt'
    path.write_text('2011-09-30 12:00:00.0\n\n')


def break_packet(raw):
    (raw / '2011_09_30/2011_09_30_drive_0016_extract/oxts/data/0000000002.txt').write_text('1 2 3')


def remove_packet(raw):
    (raw / '2011_09_30/2011_09_30_drive_0016_extract/oxts/data/0000000002.txt').unlink()


def shorten_poses(raw):
    (raw / 'poses/04.txt').write_text('1 0 0 0 0 1 0 0 0 0 1 0\n')


def break_calibration(raw):
    (raw / '2011_09_30/calib_velo_to_cam.txt').write_text('R: 1 2\n')


def other_time(raw):
    path = raw / '2011_09_30/2011_09_30_drive_0016_extract/oxts/timestamps.txt'
    path.write_text(path.read_text().replace('2011-09-30', '2011-09-29'))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (remove_extract, r'_extract.oxts\. The 100 Hz OXTS readings are in the unsynced drive'),
        (remove_images, r'There is neither .*drive_0016_sync.image_02'),
        (shorten_stamps, r'has 2 lines, too few for frame 3'),
        (break_stamp, r"oxts.timestamps\.txt, line 2: '' is not a time like 2011-10-03"),
        (break_packet, r'0000000002\.txt is not an OXTS packet'),
        (remove_packet, r'There is no .*0000000002\.txt'),
        (shorten_poses, r'has 1 poses, too few for image 3'),
        (break_calibration, r'no line `R:` with 9 numbers'),
        (other_time, r'no reading at the time of the images'),
    ],
)
def test_a_broken_tree_is_named(damage, message, tmp_path):
    raw = write_raw(tmp_path)
    damage(raw)
    with pytest.raises(DatasetError, match=message):
        raw_drive(raw, '04', raw / 'poses')


@pytest.mark.parametrize('sequence', ['03', '11', 'x'])
def test_a_sequence_without_a_raw_drive_is_refused_with_those_that_have_one(sequence, tmp_path):
    with pytest.raises(DatasetError, match='00, 01, 02, 04'):
        raw_drive(tmp_path, sequence)


def test_missing_images_within_the_sequence_are_said(tmp_path):
    raw = write_raw(tmp_path)
    (raw / '2011_09_30/2011_09_30_drive_0016_sync/image_02/data/0000000001.png').unlink()
    drive = raw_drive(raw, '04', raw / 'poses')
    assert '3 of the 271 images of 04' in drive.notes[0]
    assert 'the first that is missing is frame 1 (0000000001.png)' in drive.notes[0]
    assert drive.stamps_ns.tolist() == [START_NS + i * FRAME_NS for i in (0, 2, 3)]
    T_base_camera = drive.rig.T_base_camera
    T = inverse(T_base_camera) @ drive.truth.poses @ T_base_camera
    assert np.linalg.norm(T[1, :3, 3]) == pytest.approx(2.0, abs=0.01)  # the pose of frame 2, not of frame 1


# ---- any drive


OTHER = '2011_09_26_drive_0005'  # of no odometry sequence


def drive_east(raw, metres_a_second=10.0, yaw=0.1):
    """OXTS packets of a drive that goes east and looks 0.1 rad to the left of it, at 49 degrees north."""
    folder = raw / OTHER[:10] / f'{OTHER}_extract' / 'oxts' / 'data'
    for k, path in enumerate(sorted(folder.iterdir())):
        east_m = metres_a_second * k * IMU_NS / 1e9
        longitude = 8.4 + np.degrees(east_m / (6_390_240.0 * np.cos(np.radians(49.0))))  # that of the ellipsoid there
        values = [49.0, float(longitude), 115.0, 0.0, 0.0, yaw, *packet(k)[6:]]
        path.write_text(' '.join(map(repr, values)))


def test_any_drive_is_taken_whole_with_the_poses_of_its_oxts_unit(tmp_path):
    raw = write_raw(tmp_path, OTHER, 'none', range(2, 9))
    drive_east(raw)
    drive = whole_drive(raw, f'{OTHER}_sync')
    assert len(drive.stamps_ns) == len(drive.truth) == 7
    step = FRAME_NS / 1e9 * 10.0
    relative = inverse(drive.truth.poses[0]) @ drive.truth.poses[-1]
    np.testing.assert_allclose(relative[:3, 3], [6 * step * np.cos(0.1), -6 * step * np.sin(0.1), 0.0], atol=5e-3)
    np.testing.assert_allclose(relative[:3, :3], np.eye(3), atol=1e-9)
    assert any('OXTS unit' in note for note in drive.notes)


def test_any_drive_becomes_a_bag_and_names_its_missing_frame(tmp_path, capsys):
    raw = write_raw(tmp_path, OTHER, 'none', range(9))
    drive_east(raw)
    (raw / OTHER[:10] / f'{OTHER}_sync' / 'image_02' / 'data' / '0000000004.png').unlink()
    assert main(['export-kitti', '--raw', str(raw), '--drive', OTHER, '--out', str(tmp_path / 'bag')]) == 0
    said = capsys.readouterr().out
    assert f'8 of the 9 images of {OTHER} are there; the first that is missing is frame 4 (0000000004.png)' in said
    with BagReader(tmp_path / 'bag') as bag:
        assert len(bag.ground_truth()) == 8


def test_the_calibration_of_another_day_is_refused(tmp_path):
    """Its images are a few pixels larger or smaller, and would have been scaled in silence."""
    raw = write_raw(tmp_path, OTHER, 'none')
    calibration = raw / OTHER[:10] / 'calib_cam_to_cam.txt'
    calibration.write_text(calibration.read_text().replace('S_rect_02: 4.0e+01', 'S_rect_02: 4.1e+01'))
    with pytest.raises(DatasetError, match=r'calibration of 41x24 images, these have 40x24: it is of another day'):
        whole_drive(raw, OTHER)


@pytest.mark.parametrize('name', ['0005', '2011_09_26', '../2011_09_26_drive_0005'])
def test_what_is_no_name_of_a_drive_is_refused(name, tmp_path):
    with pytest.raises(DatasetError, match='Name one as 2011_09_26_drive_0005'):
        whole_drive(tmp_path, name)
