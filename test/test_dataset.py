"""Training windows: the node's own IMU blocks, nothing from excluded stretches or from the other part of the data."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from samples.prepared import FRAME_NS, write_prepared

from atvio_ros.errors import DatasetError
from atvio_ros.geometry import decode_motion, encode_motion, relative_poses
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.pipeline import make_imu_buffer
from atvio_ros.preprocessing import resample_imu
from atvio_ros.rig.rig import Rig
from atvio_ros.rig.rig_yaml import RigSettings, rig_settings
from atvio_ros.training.dataset import Window, WindowDataset, open_split
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.training.settings import DataSettings
from atvio_ros.types import CameraFrame, ImuSample

CONFIG = AtvioConfig(image_height_px=32, image_width_px=64, image_channels=1)
GYRO = dataclasses.replace(CONFIG, rotation='gyro_residual')
INTRINSICS = (40.0, 40.0, 31.5, 15.5)


def dataset(*sequences, config=CONFIG, largest_skip=2):
    return WindowDataset([SequencePairs(s, config, largest_skip) for s in sequences], config)


def everywhere(sequence):
    return np.ones(len(sequence), dtype=bool)


# ---- samples


def test_a_sample_has_the_shapes_of_the_paper(tmp_path):
    sample = dataset(write_prepared(tmp_path / 's', channels=3))[Window(0, 3, 4)]
    assert sample.images.shape == (5, 3, 32, 64)
    assert sample.images.dtype == torch.uint8
    assert (sample.imu.shape, sample.motion.shape, sample.interval_s.shape) == ((4, 11, 6), (4, 6), (4,))
    assert {t.dtype for t in (sample.imu, sample.motion, sample.interval_s)} == {torch.float32}


def test_images_and_motions_of_a_window_belong_together(tmp_path):
    sequence = write_prepared(tmp_path / 's')
    sample = dataset(sequence)[Window(0, 7, 4)]
    np.testing.assert_array_equal(sample.images[:, 0], sequence.images[7:12, :, :, 0])
    np.testing.assert_allclose(sample.motion, encode_motion(relative_poses(sequence.camera_poses[7:12])), atol=1e-6)
    np.testing.assert_allclose(sample.interval_s, FRAME_NS / 1e9, rtol=1e-6)


def test_a_batch_is_its_samples_stacked(tmp_path):
    data = dataset(write_prepared(tmp_path / 'a'), write_prepared(tmp_path / 'b', seed=1))
    windows = [Window(0, 2, 4), Window(1, 5, 4, 2, True), Window(0, 9, 4, 1, True)]
    batch = data.__getitems__(windows)
    for b, window in enumerate(windows):
        for of_batch, alone in zip(batch, data[window], strict=True):
            assert torch.equal(of_batch[b], alone)


ROBOT = Rig(gyro_lag=0.065, accelerometer_lag=0.015, imu_time_offset=0.012, gyro_bias=np.array([0.01, -0.02, 0.03]))


@pytest.mark.parametrize('config', [CONFIG, GYRO], ids=['as recorded', 'lags undone'])
def test_imu_blocks_are_those_the_node_gives_the_network(tmp_path, config):
    sequence = write_prepared(tmp_path / 's', rig=rig_settings(ROBOT))
    pairer = FramePairer(make_imu_buffer(ROBOT, config.undoes_lags))
    for stamp_ns, values in zip(sequence.imu_stamps_ns, sequence.imu, strict=True):  # in another order: IMU first
        pairer.add_imu(ImuSample(int(stamp_ns), values[:3], values[3:]))
    for stamp_ns in sequence.image_stamps_ns:
        pairer.add_frame(CameraFrame(int(stamp_ns), np.zeros((1, 1, 1), np.uint8)))
    pairs = []
    while (pair := pairer.poll()) is not None:
        pairs.append(pair)
    pairs += pairer.finish()
    blocks = [resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns) for pair in pairs]
    ours = SequencePairs(sequence, config)[1].imu[: len(blocks)]
    assert len(blocks) == len(sequence) - 1
    np.testing.assert_array_equal(ours, np.array(blocks, dtype=np.float32))


def test_of_a_robot_that_is_not_described_the_lag_that_was_fitted_is_undone(tmp_path):
    older, newer = (
        write_prepared(tmp_path / name, rig=rig)
        for name, rig in (('old', RigSettings()), ('new', RigSettings(gyro_lag=0.06)))
    )
    fitted = dataclasses.replace(GYRO, gyro_lag_s=0.06)
    blocks = [SequencePairs(*each)[1].imu for each in ((older, fitted), (newer, GYRO), (newer, fitted))]
    np.testing.assert_array_equal(blocks[0], blocks[1])
    np.testing.assert_array_equal(blocks[0], blocks[2])


def test_motions_through_a_level_view_are_in_the_camera_heights_of_the_network(tmp_path):
    level = dataclasses.replace(CONFIG, view='level', view_intrinsics_px=INTRINSICS, view_height_m=1.5)
    meta = {'view': 'level', 'intrinsics': INTRINSICS}
    sequences = [
        write_prepared(tmp_path / str(height), rig=RigSettings(camera_height=height), **meta) for height in (1.5, 0.5)
    ]
    ours, low = (SequencePairs(sequence, level)[1].motion for sequence in sequences)
    np.testing.assert_allclose(low[:, :3], 3.0 * ours[:, :3], rtol=1e-5)
    np.testing.assert_array_equal(low[:, 3:], ours[:, 3:])


@pytest.mark.parametrize(
    ('meta', 'config', 'problem'),
    [
        ({'view': 'level'}, {}, '--view none'),
        ({}, {'view': 'level'}, '--view level'),
        ({'view': 'level', 'intrinsics': (30.0, 30.0, 31.5, 15.5)}, {'view': 'level'}, 'view_intrinsics_px'),
        (
            {'view': 'level', 'view_pitch_deg': -1.1, 'intrinsics': INTRINSICS},
            {'view': 'level', 'view_intrinsics_px': INTRINSICS},
            'view-pitch-deg',
        ),
    ],
)
def test_images_of_another_view_than_the_networks_are_refused(tmp_path, meta, config, problem):
    sequence = write_prepared(tmp_path / 's', rig=RigSettings(camera_height=1.5), **meta)
    with pytest.raises(DatasetError, match=problem):
        SequencePairs(sequence, dataclasses.replace(CONFIG, **config))


def test_a_skipped_frame_gives_the_motion_and_imu_of_both_pairs(tmp_path):
    sequence = write_prepared(tmp_path / 's')
    pairs = SequencePairs(sequence, largest_skip=2)
    both = decode_motion(pairs[1].motion[4].astype(float)) @ decode_motion(pairs[1].motion[5].astype(float))
    np.testing.assert_allclose(pairs[2].motion[4], encode_motion(both), atol=1e-5)
    np.testing.assert_allclose(pairs[2].imu[4, [0, 5, 10]], pairs[1].imu[[4, 5, 5], [0, 0, 10]], atol=1e-5)
    assert pairs[2].interval_s[4] == pytest.approx(2 * FRAME_NS / 1e9)


# ---- what is left out


def test_no_window_holds_an_imu_hole(tmp_path):
    sequence = write_prepared(tmp_path / 's', frames=40, missing_imu=(20, 21))
    pairs = SequencePairs(sequence, largest_skip=2)
    assert np.flatnonzero(~pairs[1].usable).tolist() == [20, 39]
    begins = np.flatnonzero(pairs.windows(4, 1, everywhere(sequence)))
    assert begins.tolist() == [*range(17), *range(21, 36)]
    for begin in np.flatnonzero(pairs.windows(3, 2, everywhere(sequence))):
        assert begin + 6 <= 20 or begin >= 21


def test_no_window_touches_an_excluded_image(tmp_path):
    sequence = write_prepared(tmp_path / 's', frames=40, excluded=((10, 12), (39, 39)))
    begins = np.flatnonzero(SequencePairs(sequence).windows(4, 1, everywhere(sequence)))
    assert begins.tolist() == [*range(6), *range(13, 35)]


def test_validation_is_the_last_part_and_shares_no_image_with_training(tmp_path):
    for i, name in enumerate(('00', '02')):
        write_prepared(tmp_path / name, frames=40, seed=i, excluded=((35, 36),) if i else ())
    split = open_split(tmp_path, DataSettings(validation_share=0.25), CONFIG, 1)
    assert split.stretches() == [Window(0, 30, 9), Window(1, 30, 4), Window(1, 37, 2)]
    assert max(first for _, first in split.training_windows(4, 1)) + 4 == 29


def test_a_sequence_can_be_held_out_as_a_whole(tmp_path):
    for name in ('00', '02'):
        write_prepared(tmp_path / name, frames=12)
    split = open_split(tmp_path, DataSettings(validation_share=0.0, validation_sequences=('02',)), CONFIG, 1)
    assert split.stretches() == [Window(1, 0, 11)]
    assert {s for s, _ in split.training_windows(4, 1)} == {0}


def test_a_missing_sequence_is_named_with_those_there_are(tmp_path):
    write_prepared(tmp_path / '00', frames=8)
    with pytest.raises(DatasetError, match=r'no prepared sequence 04\. It has: 00'):
        open_split(tmp_path, DataSettings(sequences=('00', '04')), CONFIG, 1)


def test_images_of_another_size_than_the_networks_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r'are 32x64 .*network takes 128x416.*--size'):
        dataset(write_prepared(tmp_path / 's'), config=AtvioConfig())


def test_a_mirrored_window_has_its_images_flipped_left_to_right(tmp_path):
    data = dataset(write_prepared(tmp_path / 's', channels=3))
    straight, mirrored = data[Window(0, 3, 4)], data[Window(0, 3, 4, 1, True)]
    assert torch.equal(mirrored.images, straight.images.flip(-1))


def test_a_worker_maps_the_files_instead_of_receiving_the_images(tmp_path):
    data = dataset(write_prepared(tmp_path / 's', frames=300, size=(32, 64), channels=3))
    pickled = pickle.dumps(data)
    assert len(pickled) < data.sequences[0].sequence.images.nbytes / 2
    assert torch.equal(pickle.loads(pickled)[Window(0, 1, 4)].images, data[Window(0, 1, 4)].images)
