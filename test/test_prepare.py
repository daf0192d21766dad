"""Prepared sequences: they hold what the bag holds, and an interruption never leaves one that looks whole."""

import json

import numpy as np
import pytest
from samples.bags import FRAMES, INTRINSICS, T_BASE_CAMERA, frame_stamps_ns, image, write_drive
from samples.command_line import strict_json
from samples.drives import T_BASE_IMU, tiny_drive
from samples.prepared import write_prepared
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagReader
from atvio_ros.cli.main import main
from atvio_ros.drives.bag_drive import BagDrive
from atvio_ros.drives.exclusions import load_exclusions
from atvio_ros.drives.prepare import poses_at, prepare
from atvio_ros.drives.sequence_store import PreparedSequence, SequenceMeta, find_sequences, read_meta
from atvio_ros.drives.sequence_writer import SequenceWriter
from atvio_ros.errors import CalibrationError, DatasetError, SettingsError
from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.odometry.sight import Sight
from atvio_ros.preprocessing import scale_image
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig, RigPart
from atvio_ros.rig.rig_yaml import RigSettings
from atvio_ros.types import Trajectory
from atvio_ros.view.virtual_camera import KITTI_VIEW


@pytest.fixture
def bag(tmp_path):
    return write_drive(tmp_path / 'drive')


def prepare_bag(bag, folder, **options):
    with BagReader(bag) as reader:
        return prepare(BagDrive(reader), folder, SequenceMeta(), **options)


def test_images_are_those_of_the_bag_scaled_as_the_node_scales_them(bag, tmp_path):
    sequence = prepare_bag(bag, tmp_path / 'out' / 'drive', size_px=(6, 8))
    assert sequence.images.dtype == np.uint8
    np.testing.assert_array_equal(sequence.images, np.stack([scale_image(image(i), 6, 8) for i in range(FRAMES)]))
    assert sequence.image_stamps_ns.tolist() == frame_stamps_ns()


def test_imu_readings_are_kept_as_recorded(bag, tmp_path):
    sequence = prepare_bag(bag, tmp_path / 'drive2')
    with BagReader(bag) as reader:
        samples = list(reader.imu())
    assert sequence.imu_stamps_ns.tolist() == [sample.stamp_ns for sample in samples]
    np.testing.assert_array_equal(sequence.imu[:, :3], [sample.angular_velocity for sample in samples])
    np.testing.assert_array_equal(sequence.imu[:, 3:], [sample.linear_acceleration for sample in samples])


def test_poses_are_those_of_the_camera(bag, tmp_path):
    sequence = prepare_bag(bag, tmp_path / 'drive2')
    for i in range(FRAMES):
        np.testing.assert_allclose(sequence.camera_poses[i], translation(float(i), 0, 0) @ T_BASE_CAMERA, atol=1e-12)
    assert sequence.meta.length_m == pytest.approx(FRAMES - 1)


def test_intrinsics_are_scaled_with_the_images(bag, tmp_path):
    fx, fy, cx, cy = prepare_bag(bag, tmp_path / 'drive2', size_px=(6, 8)).meta.intrinsics_px
    assert (fx, fy) == (INTRINSICS[0] / 2, INTRINSICS[1] / 2)
    # The middle of a 16x12 image is at (7.5, 5.5), that of an 8x6 one at (3.5, 2.5): pixel centres are integers.
    assert (cx, cy) == ((INTRINSICS[2] + 0.5) / 2 - 0.5, (INTRINSICS[3] + 0.5) / 2 - 0.5)


def test_the_robot_goes_along(bag, tmp_path):
    with BagReader(bag) as reader:
        drive = BagDrive(reader, given=RigPart('given', camera_height=1.2, gyro_lag=0.03))
        prepare(drive, tmp_path / 'drive2', SequenceMeta())
    said = read_meta(tmp_path / 'drive2').rig
    assert (said.camera_height, said.gyro_lag, said.accelerometer_lag) == (1.2, 0.03, 0.0)
    np.testing.assert_allclose(said.part('meta').T_base_camera, T_BASE_CAMERA, atol=1e-12)


def test_a_sequence_from_before_robots_were_described_is_still_read(tmp_path):
    folder = write_prepared(tmp_path / 'drive').folder
    meta = json.loads((folder / 'meta.json').read_text())
    del meta['rig'], meta['view']
    (folder / 'meta.json').write_text(json.dumps(meta))
    assert read_meta(folder).rig == RigSettings()
    assert read_meta(folder).view == 'none'


@pytest.mark.parametrize('pitch_deg', [0.0, -1.1])
def test_a_level_view_is_what_the_network_sees_in_the_odometry(tmp_path, pitch_deg):
    """... where the measured direction of travel is the nominal one; its poses are those of the view's axes."""
    tilted = transform(R_BODY_OPTICAL @ Rotation.from_euler('x', -4, degrees=True).as_matrix(), np.array([1.0, 0, 0.5]))
    rig = Rig(CameraModel(160, 96, np.array([[90.0, 0, 80], [0, 90, 50], [0, 0, 1]])), tilted, camera_height=1.2)
    pictures = tuple(np.random.default_rng(i).integers(0, 255, (96, 160), dtype=np.uint8) for i in range(FRAMES))
    options = {'size_px': (32, 64), 'view': 'level', 'view_pitch_deg': pitch_deg}
    sequence = prepare(tiny_drive(rig=rig, pictures=pictures), tmp_path / 'drive', SequenceMeta(), **options)
    R_level_view = Rotation.from_euler('x', pitch_deg, degrees=True).as_matrix()
    virtual = KITTI_VIEW.resized(64, 32)
    sight = Sight(rig, virtual)
    expected = [
        sight.stored.draw(frame.image, virtual, sight.R_camera_stored @ R_level_view)
        for frame in (sight.frame(0, picture) for picture in pictures)
    ]
    np.testing.assert_array_equal(sequence.images, expected)
    assert (sequence.meta.view, sequence.meta.view_pitch_deg) == ('level', pitch_deg)
    np.testing.assert_allclose(sequence.meta.intrinsics_px, (virtual.fx, virtual.fy, virtual.cx, virtual.cy))
    np.testing.assert_allclose(np.array(sequence.meta.T_base_camera)[:3, :3], R_BODY_OPTICAL @ R_level_view, atol=1e-12)
    np.testing.assert_allclose(sequence.camera_poses[1, :3, 3], [2.0, 0.0, 0.5], atol=1e-12)


def test_a_stored_view_is_what_the_odometry_keeps(tmp_path):
    tilted = transform(R_BODY_OPTICAL @ Rotation.from_euler('x', -4, degrees=True).as_matrix(), np.array([1.0, 0, 0.5]))
    rig = Rig(CameraModel(160, 96, np.array([[90.0, 0, 80], [0, 90, 50], [0, 0, 1]])), tilted, camera_height=1.2)
    pictures = tuple(np.random.default_rng(i).integers(0, 255, (96, 160), dtype=np.uint8) for i in range(FRAMES))
    sequence = prepare(tiny_drive(rig=rig, pictures=pictures), tmp_path / 'drive', SequenceMeta(), view='stored')
    sight = Sight(rig)
    np.testing.assert_array_equal(sequence.images, [sight.frame(0, picture).image for picture in pictures])
    assert sequence.meta.view == 'stored'
    np.testing.assert_allclose(sequence.meta.intrinsics_px[:2], [sight.stored.virtual.fx] * 2)
    np.testing.assert_allclose(np.array(sequence.meta.T_base_camera)[:3, :3], R_BODY_OPTICAL, atol=1e-12)


@pytest.mark.parametrize('view', ['level', 'stored'])
def test_a_view_needs_the_height_of_the_camera(bag, tmp_path, view):
    with pytest.raises(CalibrationError, match='height'):
        prepare_bag(bag, tmp_path / 'drive2', view=view)


def test_an_interruption_leaves_nothing(bag, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_bag(bag, tmp_path / 'out' / 'drive', on_progress=interrupt)
    assert list((tmp_path / 'out').iterdir()) == []


def test_an_interruption_leaves_the_older_sequence_as_it_was(tmp_path):
    folder = tmp_path / 'drive'
    write_prepared(folder, frames=5)
    with SequenceWriter(folder) as writer:
        writer.add_image(1, np.zeros((4, 4), dtype=np.uint8))  # and no finish
    assert len(PreparedSequence(folder)) == 5


def test_what_a_killed_run_left_is_no_sequence_and_is_cleared(tmp_path):
    partial = tmp_path / '.drive.partial'
    partial.mkdir()
    (partial / 'images.npy').write_bytes(b'half')
    (partial / 'meta.json').write_text('{}')
    with pytest.raises(DatasetError, match='no prepared sequences'):
        find_sequences(tmp_path)
    write_prepared(tmp_path / 'drive')
    assert not partial.exists()
    assert find_sequences(tmp_path) == [tmp_path / 'drive']


def test_a_truncated_image_file_is_refused(tmp_path):
    folder = write_prepared(tmp_path / 'drive').folder
    images = folder / 'images.npy'
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r'images\.npy cannot be read.*Prepare the sequence again'):
        PreparedSequence(folder)


def test_another_format_version_is_refused(tmp_path):
    folder = write_prepared(tmp_path / 'drive').folder
    meta = folder / 'meta.json'
    meta.write_text(meta.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(DatasetError, match='version 2; this package reads'):
        read_meta(folder)


def test_images_that_are_not_newer_are_left_out(tmp_path):
    blank = np.zeros((4, 4), dtype=np.uint8)
    with SequenceWriter(tmp_path / 'drive', 4, 4) as writer:
        assert [writer.add_image(stamp, blank) for stamp in (5, 5, 4, 6)] == [True, False, False, True]
        assert writer.stamps_ns.tolist() == [5, 6]


def test_an_image_of_another_size_is_refused(tmp_path):
    with SequenceWriter(tmp_path / 'drive', 4, 4) as writer:
        writer.add_image(1, np.zeros((8, 8), dtype=np.uint8))
        with pytest.raises(DatasetError, match='image 1 has shape'):
            writer.add_image(2, np.zeros((8, 9), dtype=np.uint8))


def test_ground_truth_between_images_is_interpolated_and_unknown_outside():
    turned = transform(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([2.0, 0.0, 0.0]))
    truth = Trajectory(np.array([100, 200]) * 1_000_000, np.stack([np.eye(4), turned]))
    poses = poses_at(truth, np.array([99, 100, 150, 200, 201]) * 1_000_000)
    assert np.isnan(poses[[0, 4]]).all()
    np.testing.assert_array_equal(poses[[1, 3]], truth.poses)
    np.testing.assert_allclose(poses[2, :3, 3], [1.0, 0.0, 0.0])
    np.testing.assert_allclose(poses[2, :2, 0], [np.sqrt(0.5), np.sqrt(0.5)])  # 45 degrees


def test_ground_truth_is_not_interpolated_over_a_gap():
    truth = Trajectory(np.array([0, 10**9]), np.stack([np.eye(4), translation(9.0, 0.0, 0.0)]))
    assert np.isnan(poses_at(truth, np.array([5 * 10**8]))).all()


def test_a_drive_becomes_a_sequence_without_a_bag(tmp_path):
    drive = tiny_drive()
    sequence = prepare(drive, tmp_path / 'drive', SequenceMeta(source='memory'))
    np.testing.assert_allclose(sequence.camera_poses, drive.truth.poses @ T_BASE_CAMERA)
    np.testing.assert_array_equal(sequence.imu, drive.imu.values)
    np.testing.assert_array_equal(sequence.meta.R_base_imu, T_BASE_IMU[:3, :3])
    assert sequence.images.shape == (3, 128, 416, 1)
    assert (sequence.meta.source, sequence.meta.notes) == ('memory', ())


def test_images_beyond_the_end_of_the_ground_truth_are_kept_and_not_trained_on(tmp_path):
    truth = tiny_drive().truth
    shorter = tiny_drive(truth=Trajectory(truth.stamps_ns[:2], truth.poses[:2]))
    sequence = prepare(shorter, tmp_path / 'drive', SequenceMeta())
    assert np.isnan(sequence.camera_poses[:, 0, 0]).tolist() == [False, False, True]
    assert sequence.meta.notes == ('1 images have no ground truth and are not used for training.',)


def test_a_drive_without_ground_truth_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(DatasetError, match='The drive for new has no ground truth'):
        prepare(tiny_drive(truth=None), tmp_path / 'new', SequenceMeta())
    assert list(tmp_path.iterdir()) == []


def test_a_stretch_to_exclude_beyond_the_last_image_leaves_no_sequence(tmp_path):
    with pytest.raises(DatasetError, match=r'stretch \[0, 3\] to exclude from new'):
        prepare(tiny_drive(), tmp_path / 'new', SequenceMeta(excluded=((0, 3),)))
    assert list(tmp_path.iterdir()) == []


# ---- atvio prepare


def test_command_skips_what_is_prepared_and_redoes_what_changed(bag, tmp_path, capsys):
    out = tmp_path / 'data'
    assert main(['prepare', str(bag), '--out', str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'1 sequence is in {out}'
    before = (out / 'drive' / 'images.npy').stat().st_mtime_ns
    assert main(['prepare', str(bag), '--out', str(out)]) == 0
    assert 'prepared already' in capsys.readouterr().err
    assert (out / 'drive' / 'images.npy').stat().st_mtime_ns == before
    capsys.readouterr()
    assert main(['prepare', str(bag), '--out', str(out), '--size', '8x6', '--json']) == 0
    (prepared,) = strict_json(capsys.readouterr().out)['sequences'].values()
    assert prepared['frames'] == read_meta(out / bag.stem).images
    assert prepared['length_m'] > 0.0
    assert PreparedSequence(out / 'drive').images.shape == (FRAMES, 6, 8, 1)


def test_exclusions_travel_with_the_data_and_are_updated_without_preparing_again(bag, tmp_path, capsys):
    out, exclusions = tmp_path / 'data', tmp_path / 'exclusions.yaml'
    assert main(['prepare', str(bag), '--out', str(out)]) == 0
    before = (out / 'drive' / 'images.npy').stat().st_mtime_ns
    exclusions.write_text("'drive': [[0, 1]]\n'another': [[3, 4]]\n")
    assert main(['prepare', str(bag), '--out', str(out), '--exclude', str(exclusions)]) == 0
    assert 'names another; no bag here is named so' in capsys.readouterr().err
    assert read_meta(out / 'drive').excluded == ((0, 1),)
    assert (out / 'drive' / 'images.npy').stat().st_mtime_ns == before


@pytest.mark.parametrize('prepared', [False, True])
def test_a_stretch_beyond_the_last_image_is_refused(bag, tmp_path, capsys, prepared):
    out, exclusions = tmp_path / 'data', tmp_path / 'exclusions.yaml'
    if prepared:
        assert main(['prepare', str(bag), '--out', str(out)]) == 0
    exclusions.write_text(f"'drive': [[0, {FRAMES}]]\n")
    assert main(['prepare', str(bag), '--out', str(out), '--exclude', str(exclusions)]) == 1
    assert f'The stretch [0, {FRAMES}] to exclude from drive' in capsys.readouterr().err
    assert out.exists() == prepared


def test_a_bag_without_ground_truth_is_refused_in_one_line(tmp_path, capsys):
    bag = write_drive(tmp_path / 'drive', truth=False)
    assert main(['prepare', str(bag), '--out', str(tmp_path / 'data')]) == 1
    message = capsys.readouterr().err
    assert 'no ground truth' in message
    assert '--ground-truth-topic, or leave this bag out' in message
    assert list((tmp_path / 'data').glob('*')) == []


def test_two_bags_of_one_name_are_refused(bag, tmp_path, capsys):
    assert main(['prepare', str(bag), str(bag), '--out', str(tmp_path / 'data')]) == 1
    assert 'Two bags are named drive' in capsys.readouterr().err


def test_unquoted_sequence_names_are_refused(tmp_path):
    path = tmp_path / 'exclusions.yaml'
    path.write_text('00: [[1, 2]]\n')  # YAML reads an integer
    with pytest.raises(SettingsError, match='must be in quotes'):
        load_exclusions(path)


def test_shipped_kitti_exclusions_load_and_touch_no_test_sequence(request):
    exclusions = load_exclusions(request.config.rootpath / 'config' / 'kitti_exclusions.yaml')
    assert set(exclusions) == {'00', '02'}
    assert exclusions['02'] == ((3307, 3322),)


def test_meta_names_its_source(bag, tmp_path):
    assert main(['prepare', str(bag), '--out', str(tmp_path / 'data')]) == 0
    meta = read_meta(tmp_path / 'data' / 'drive')
    assert (meta.source, meta.image_topic, len(meta.fingerprint)) == ('bag drive', '/camera/image_raw', 16)
    assert meta.format == SequenceMeta().format
