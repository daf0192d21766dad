"""What the benchmarks measure is what they say."""

import dataclasses

import numpy as np
import pytest
from samples.streams import SECOND, START_NS, pair

from atvio_ros.evaluation.consistency import MatchedDrive
from atvio_ros.geometry import rotations, transform
from atvio_ros.network.checkpoint import untrained_model
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.pair_torch import TorchPairs
from atvio_ros.types import CameraFrame
from benchmarks.attention import disturbances, measure, situations
from benchmarks.drives import PairedDrive
from benchmarks.oracles import mixed
from benchmarks.zero_shot import figures

FRAMES = 21
INTERVAL_NS = SECOND // 10


def yawed(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])


def straight(step_m: float, yaw_rad: float = 0.0) -> np.ndarray:
    return np.stack([transform(yawed(i * yaw_rad), np.array([i * step_m, 0.0, 0.0])) for i in range(FRAMES)])


def drive_of(estimate: np.ndarray, truth: np.ndarray) -> MatchedDrive:
    stamps_ns = START_NS + INTERVAL_NS * np.arange(FRAMES)
    return MatchedDrive(stamps_ns, estimate, truth, np.zeros(FRAMES - 1, dtype=bool), np.ones(FRAMES - 1, dtype=bool))


def test_a_drive_that_is_ten_per_cent_too_short_is_said_to_be():
    found = figures(drive_of(straight(0.9), straight(1.0)))
    assert found.length_m == pytest.approx(20.0)
    assert found.distance_ratio == pytest.approx(0.9)
    assert found.end_error_percent == pytest.approx(10.0)
    assert (found.speed, found.speed_bias, found.speed_rmse) == pytest.approx((10.0, -1.0, 1.0))
    assert found.yaw_mae_deg == found.yaw_end_deg == 0.0


def test_a_heading_that_drifts_is_told_by_frame_and_at_the_end_wherever_the_drive_begins():
    start = transform(yawed(1.0), np.array([5.0, -3.0, 0.0]))
    found = figures(drive_of(start @ straight(1.0, np.deg2rad(0.1)), straight(1.0)))
    assert found.yaw_mae_deg == pytest.approx(0.1)
    assert found.yaw_end_deg == pytest.approx(2.0)
    assert found.end_error_percent == pytest.approx(0.0, abs=1e-9)


def paired(speeds, turn_rates_deg) -> PairedDrive:
    """Camera motions along z that turn about y."""
    motions = []
    for speed, rate in zip(speeds, turn_rates_deg, strict=True):
        angle = np.deg2rad(rate) * 0.1
        R = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        motions.append(transform(R, np.array([0.0, 0.0, speed * 0.1])))
    starts = [START_NS + i * INTERVAL_NS for i in range(len(motions))]
    pairs = []
    for start_ns in starts:
        images = [np.random.default_rng(k).integers(1, 255, (32, 64, 1), np.uint8) for k in range(2)]
        plain = pair(start_ns, start_ns + INTERVAL_NS)
        frames = (CameraFrame(plain.previous.stamp_ns, images[0]), CameraFrame(plain.current.stamp_ns, images[1]))
        pairs.append(dataclasses.replace(plain, previous=frames[0], current=frames[1]))
    return PairedDrive(pairs, np.stack(motions))


def test_each_pair_is_in_the_situation_of_its_motion():
    drive = paired([0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0, 8.0, 11.0, 11.0], [0, 0, 0, 20, 20, 0, 0, 0, 0, 0])
    found = {name: np.flatnonzero(chosen).tolist() for name, chosen in situations(drive).items()}
    assert found['standing'] == [0, 1, 2]
    assert found['turn'] == [3, 4]
    assert found['straight, faster or slower'] == [6, 7, 8]
    assert found['straight, steady'] == [5, 9]


def test_a_disturbance_takes_one_sense_and_leaves_the_other():
    drive, other = paired([5.0] * 3, [0.0] * 3), paired([9.0], [30.0])
    whole = drive.pairs[0]
    for name, disturb in disturbances(other).items():
        disturbed = disturb(whole)
        same_images = np.array_equal(disturbed.current.image, whole.current.image)
        same_imu = np.array_equal(disturbed.imu.values, whole.imu.values)
        if name != 'IMU of another drive':  # whose readings are the same here
            assert (same_images, same_imu) == (not name.startswith('images'), not name.startswith('IMU')), name
        assert disturbed.imu.values.shape == whole.imu.values.shape


def test_the_table_of_attention_has_weights_of_both_senses_and_errors():
    network = untrained_model('ca_a')
    estimator = NetworkEstimator(TorchPairs(network), trained=False)
    size = (network.config.image_height_px, network.config.image_width_px)
    drive = paired([0.0, 5.0], [0.0, 20.0])
    images = [np.full((*size, 1), level, np.uint8) for level in (50, 90)]
    pairs = [
        dataclasses.replace(
            each,
            previous=dataclasses.replace(each.previous, image=images[0]),
            current=dataclasses.replace(each.current, image=images[1]),
        )
        for each in drive.pairs
    ]
    rows = measure(estimator, PairedDrive(pairs, drive.motions), drive)
    assert {row.situation for row in rows} >= {'all, undisturbed', 'standing', 'turn', 'images black', 'IMU noise'}
    assert all(0.0 < row.visual < 1.0 and 0.0 < row.inertial < 1.0 for row in rows)
    assert all(row.translation_mae_m > 0.0 for row in rows)


def test_an_oracle_of_every_part_is_the_truth_and_of_one_part_changes_that_alone():
    rng = np.random.default_rng(0)
    own, true = (
        np.stack([transform(rotations(rng.normal(0.0, 0.1, 3)), rng.normal(0.0, 1.0, 3)) for _ in range(5)])
        for _ in range(2)
    )
    np.testing.assert_allclose(mixed(own, true, ('rotation', 'direction', 'length')), true, atol=1e-12)
    np.testing.assert_array_equal(mixed(own, true, ()), own)
    far = mixed(own, true, ('length',))
    np.testing.assert_allclose(np.linalg.norm(far[:, :3, 3], axis=1), np.linalg.norm(true[:, :3, 3], axis=1))
    np.testing.assert_allclose(np.cross(far[:, :3, 3], own[:, :3, 3]), 0.0, atol=1e-12)
    np.testing.assert_array_equal(far[:, :3, :3], own[:, :3, :3])
