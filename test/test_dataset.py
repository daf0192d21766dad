"""Training windows: the node's own IMU blocks, nothing from excluded stretches, mirrors that obey physics."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from samples.prepared import FRAME_NS, write_prepared
from scipy.spatial.transform import Rotation

from atvio_ros.calibration.gyro_fit import fit_gyro
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import compose, decode_motion, encode_motion, relative_poses
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.pose_head import integrate_gyro
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.preprocessing import resample_imu
from atvio_ros.training.dataset import Window, WindowDataset, open_split
from atvio_ros.training.gyro_calibration import gyro_recordings
from atvio_ros.training.mirror import Mirror
from atvio_ros.training.normalisation import normalised
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.training.plan import Plan
from atvio_ros.training.settings import AugmentationSettings, DataSettings, StageSettings, TrainSettings
from atvio_ros.types import CameraFrame, ImuSample

CONFIG = AtvioConfig(image_height_px=32, image_width_px=64, image_channels=1)
M = np.diag([-1.0, 1.0, 1.0, 1.0])  # reflection of the optical frame, left to right


def dataset(*sequences, config=CONFIG, largest_skip=2):
    return WindowDataset([SequencePairs(s, config.gyro_lag_s, largest_skip) for s in sequences], config)


def everywhere(sequence):
    return np.ones(len(sequence), dtype=bool)


def tilted_config():
    """A camera that does not look quite along the vehicle, and a biased gyro."""
    tilt = Rotation.from_euler('xyz', [0.02, -0.03, 0.05]).as_matrix()
    R = tilt @ np.array(CONFIG.R_camera_imu)
    return dataclasses.replace(CONFIG, R_camera_imu=tuple(map(tuple, R.tolist())), gyro_bias=(0.01, -0.02, 0.03))


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


@pytest.mark.parametrize('lag_s', [0.0, 0.065])
def test_imu_blocks_are_those_the_node_gives_the_network(tmp_path, lag_s):
    sequence = write_prepared(tmp_path / 's')
    pairer = FramePairer(ImuBuffer(np.eye(3), gyro_lag_ns=round(lag_s * 1e9)))
    for stamp_ns, values in zip(sequence.imu_stamps_ns, sequence.imu, strict=True):  # in another order: IMU first
        pairer.add_imu(ImuSample(int(stamp_ns), values[:3], values[3:]))
    for stamp_ns in sequence.image_stamps_ns:
        pairer.add_frame(CameraFrame(int(stamp_ns), np.zeros((1, 1, 1), np.uint8)))
    pairs = []
    while (pair := pairer.poll()) is not None:
        pairs.append(pair)
    pairs += pairer.finish()
    blocks = [resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns) for pair in pairs]
    ours = SequencePairs(sequence, lag_s)[1].imu[: len(blocks)]
    assert len(blocks) == len(sequence) - 1
    np.testing.assert_array_equal(ours, np.array(blocks, dtype=np.float32))


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
    split = open_split(tmp_path, DataSettings(validation_share=0.25), 0.0, 1)
    assert split.stretches() == [Window(0, 30, 9), Window(1, 30, 4), Window(1, 37, 2)]
    assert max(first for _, first in split.training_windows(4, 1)) + 4 == 29


def test_a_sequence_can_be_held_out_as_a_whole(tmp_path):
    for name in ('00', '02'):
        write_prepared(tmp_path / name, frames=12)
    split = open_split(tmp_path, DataSettings(validation_share=0.0, validation_sequences=('02',)), 0.0, 1)
    assert split.stretches() == [Window(1, 0, 11)]
    assert {s for s, _ in split.training_windows(4, 1)} == {0}


def test_a_missing_sequence_is_named_with_those_there_are(tmp_path):
    write_prepared(tmp_path / '00', frames=8)
    with pytest.raises(DatasetError, match=r'no prepared sequence 04\. It has: 00'):
        open_split(tmp_path, DataSettings(sequences=('00', '04')), 0.0, 1)


def test_images_of_another_size_than_the_networks_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r'are 32x64 .*network takes 128x416.*--size'):
        dataset(write_prepared(tmp_path / 's'), config=AtvioConfig())


# ---- mirrored samples


def test_mirrored_trajectory_is_the_reflection_of_the_trajectory():
    rng = np.random.default_rng(0)
    motion = rng.normal(0.0, [0.1, 0.1, 1.0, 0.05, 0.2, 0.05], (20, 6))
    mirrored = Mirror(CONFIG).motion(motion)
    np.testing.assert_allclose(compose(decode_motion(mirrored)), M @ compose(decode_motion(motion)) @ M, atol=1e-12)


def test_mirrored_imu_negates_ay_wx_wz():
    values = np.arange(1.0, 7.0, dtype=np.float32)
    np.testing.assert_allclose(Mirror(CONFIG).imu(values), [-1.0, 2.0, -3.0, 4.0, -5.0, 6.0], atol=1e-6)


def test_mirrored_gyro_turns_the_camera_by_the_mirrored_rotation():
    """Also where the camera does not look straight ahead and the gyro is biased."""
    config = tilted_config()
    gyro = np.random.default_rng(1).normal(0.0, 0.5, (11, 6)).astype(np.float32)
    R_camera_imu, bias = torch.tensor(config.R_camera_imu), torch.tensor(config.gyro_bias)

    def camera_rotation(imu):
        rates = torch.from_numpy(np.asarray(imu, dtype=np.float32))[:, :3] - bias
        return R_camera_imu @ integrate_gyro(rates, torch.tensor(0.1)) @ R_camera_imu.T

    expected = M[:3, :3] @ camera_rotation(gyro).numpy() @ M[:3, :3]
    np.testing.assert_allclose(camera_rotation(Mirror(config).imu(gyro)), expected, atol=1e-6)


def test_a_left_bend_mirrored_reads_as_a_right_bend():
    """Level drive to the left: yaw rate and centripetal acceleration positive on z and y, gravity stays."""
    left = np.tile(np.array([0.0, 0.0, 0.3, 0.5, 2.7, 9.81], dtype=np.float32), (11, 1))
    right = np.tile(np.array([0.0, 0.0, -0.3, 0.5, -2.7, 9.81], dtype=np.float32), (11, 1))
    np.testing.assert_allclose(Mirror(CONFIG).imu(left), right, atol=1e-6)


@pytest.mark.parametrize('config', [CONFIG, tilted_config()])
def test_mirroring_twice_changes_nothing(config):
    rng = np.random.default_rng(2)
    imu, motion = rng.normal(size=(4, 11, 6)).astype(np.float32), rng.normal(size=(4, 6)).astype(np.float32)
    mirror = Mirror(config)
    np.testing.assert_allclose(mirror.imu(mirror.imu(imu)), imu, atol=1e-5)
    np.testing.assert_array_equal(mirror.motion(mirror.motion(motion)), motion)


def test_a_mirrored_window_has_its_images_flipped_left_to_right(tmp_path):
    data = dataset(write_prepared(tmp_path / 's', channels=3))
    straight, mirrored = data[Window(0, 3, 4)], data[Window(0, 3, 4, 1, True)]
    assert torch.equal(mirrored.images, straight.images.flip(-1))


# ---- the plan of a run


def plan(tmp_path, *first_stages, devices=1, **changes):
    if not (tmp_path / 'a').exists():
        write_prepared(tmp_path / 'a', frames=60)
    settings = TrainSettings(
        stages=(*first_stages, StageSettings(epochs=3, batch_size=4)),
        augmentation=AugmentationSettings(mirror=True, frame_skips=(1, 2)),
        **changes,
    )
    return Plan(open_split(tmp_path, settings.data, 0.0, 2), settings, devices)


def test_a_run_that_is_resumed_sees_the_batches_it_would_have(tmp_path):
    whole = list(plan(tmp_path).batches(0))
    assert len(whole) == plan(tmp_path).steps
    for step in (1, 11, 12, 13, 25):
        assert list(plan(tmp_path).batches(step)) == whole[step:]


def test_an_epoch_draws_every_window_once(tmp_path):
    made = plan(tmp_path)
    stage = made.stages[0]
    drawn = [window[:2] for batch in list(made.batches(0))[: stage.steps_per_epoch] for window in batch]
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(stage.starts)
    assert len(stage.starts) - len(drawn) < 4  # the rest of the last batch


def test_a_stride_draws_one_of_each_group_of_neighbours(tmp_path):
    made = plan(tmp_path, StageSettings('pairs', epochs=1, window=2, batch_size=2, stride=4))
    drawn = sorted(window.first for batch in made.batches(0) for window in batch if window.pairs == 1)
    groups = [first // 4 for first in drawn]
    assert len(set(groups)) == len(groups)


def test_devices_share_the_windows_of_a_step(tmp_path):
    parts = [list(plan(tmp_path, devices=2).batches(0, rank)) for rank in (0, 1)]
    for first, second in zip(*parts, strict=True):
        assert not {window[:2] for window in first} & {window[:2] for window in second}


def test_no_window_with_skipped_frames_leaves_the_training_part(tmp_path):
    made = plan(tmp_path)
    ends = [window.first + window.pairs * window.skip for batch in made.batches(0) for window in batch]
    assert max(ends) < 54  # the last tenth of 60 images is for validation
    assert {window.skip for batch in made.batches(0) for window in batch} == {1, 2}


def test_too_few_windows_for_one_batch_are_said_so(tmp_path):
    write_prepared(tmp_path / 'a', frames=10)
    with pytest.raises(DatasetError, match='too few for 1 x batches of 4'):
        plan(tmp_path, data=DataSettings(validation_share=0.5))


# ---- statistics


def test_normalisation_is_that_of_the_training_part_alone(tmp_path):
    write_prepared(tmp_path / 'a', frames=60)
    split = open_split(tmp_path, DataSettings(validation_share=0.5), 0.0, 1)
    config = normalised(CONFIG, split)
    motion = split.sequences[0][1].motion[:29].astype(np.float64)  # pairs among the first 30 images
    np.testing.assert_allclose(
        np.array(config.motion_std)[[2, 4]], np.sqrt((motion**2).mean(axis=0))[[2, 4]], rtol=1e-5
    )
    assert config.imu_mean[5] == pytest.approx(9.81, abs=1e-3)


def test_gyro_fit_finds_the_lag_that_was_put_in(tmp_path):
    write_prepared(tmp_path / 'a', frames=200, gyro_lag_s=0.06)
    fit = fit_gyro(gyro_recordings(open_split(tmp_path, DataSettings(), 0.0, 1)), np.array(CONFIG.R_camera_imu))
    assert fit.lag_s == pytest.approx(0.06, abs=2e-3)
    np.testing.assert_allclose(fit.R_camera_imu, CONFIG.R_camera_imu, atol=2e-3)
    np.testing.assert_allclose(fit.bias, 0.0, atol=1e-3)


def test_gyro_fit_takes_sequences_together(tmp_path):
    """One of them has no pairs at all: a drive that is kept for validation."""
    for i, name in enumerate(('a', 'b', 'held_out')):
        write_prepared(tmp_path / name, frames=100, seed=i, gyro_lag_s=0.03)
    recordings = gyro_recordings(open_split(tmp_path, DataSettings(validation_sequences=('held_out',)), 0.0, 1))
    assert [len(recording.pairs) for recording in recordings] == [89, 89, 0]
    assert fit_gyro(recordings, np.array(CONFIG.R_camera_imu)).lag_s == pytest.approx(0.03, abs=2e-3)


def test_a_worker_maps_the_files_instead_of_receiving_the_images(tmp_path):
    data = dataset(write_prepared(tmp_path / 's', frames=300, size=(32, 64), channels=3))
    pickled = pickle.dumps(data)
    assert len(pickled) < data.sequences[0].sequence.images.nbytes / 2
    assert torch.equal(pickle.loads(pickled)[Window(0, 1, 4)].images, data[Window(0, 1, 4)].images)
