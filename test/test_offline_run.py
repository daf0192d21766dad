"""Odometry of tiny bags, offline: the network gets what the bag holds, and the bag says where the sensors are."""

from __future__ import annotations

import numpy as np
import pytest
from samples.bags import (
    IMU_PER_FRAME,
    START_NS,
    T_BASE_CAMERA,
    frame_stamps_ns,
    imu_samples,
    write_drive,
)
from samples.bags import image as picture
from samples.offline import OneMetreForward, drive, grainy, run, write_bag
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.evaluation.run import run_bag
from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.rig.rig import Rig
from atvio_ros.types import ImuSample


def test_a_drive_straight_ahead_runs_along_base_link_x(tmp_path):
    done = run(write_drive(tmp_path / 'drive'))
    assert done.trajectory.stamps_ns.tolist() == frame_stamps_ns()
    expected = [translation(x, 0.0, 0.0) for x in (0.0, 1.0, 2.0)]
    np.testing.assert_allclose(done.trajectory.poses, expected, atol=1e-12)
    assert [estimate.stamp_ns for estimate in done.estimates] == frame_stamps_ns()[1:]
    assert done.dropped == {'first_image': 1}


def test_the_network_is_given_scaled_images_and_all_readings_between_them(tmp_path):
    estimator = OneMetreForward()
    run(write_drive(tmp_path / 'drive'), estimator)
    assert [pair.current.image.shape for pair in estimator.pairs] == [(32, 64, 1)] * 2
    expected = [sample.stamp_ns for sample in imu_samples()]
    assert estimator.pairs[0].imu.stamps_ns.tolist() == expected[: IMU_PER_FRAME + 1]
    assert [pair.continues for pair in estimator.pairs] == [False, True]


def test_mounting_offset_lag_and_bias_reach_the_readings_of_the_network(tmp_path):
    path = tmp_path / 'bag'
    samples = [
        ImuSample(START_NS + i * 10_000_000, np.array([0, 0, i / 100]), np.array([1.0, 2, 3])) for i in range(60)
    ]
    write_bag(
        path,
        [(START_NS + i * 10_000_000 + 1, sample) for i, sample in enumerate(samples)]
        + [(START_NS + ms * 1_000_000, START_NS + ms * 1_000_000) for ms in (200, 300)],
    )
    upside_down = transform(Rotation.from_euler('x', 180, degrees=True).as_matrix(), np.zeros(3))
    rig = Rig(T_base_imu=upside_down, imu_time_offset=0.02, gyro_lag=0.05, gyro_bias=np.array([0.0, 0.0, 0.3]))
    for undoes_lags, turn_rate in ((True, 0.18 + 0.05 - 0.3), (False, 0.18)):  # False: the paper's, as recorded
        estimator = OneMetreForward(undoes_lags)
        with BagReader(path) as reader:
            run_bag(reader, estimator, rig)
        window = estimator.pairs[0].imu
        assert window.stamps_ns[0] == START_NS + 200_000_000  # stamped 180 ms by its own clock
        np.testing.assert_allclose(window.values[0], [0, 0, -turn_rate, 1, -2, -3], atol=1e-12)


def test_at_rest_the_pose_is_held_unless_the_network_is_to_have_its_way(tmp_path):
    events = [(log_ns, grainy(event) if isinstance(event, int) else event) for log_ns, event in drive(30)]
    path = write_bag(tmp_path / 'rest', events)
    held, free = (run(path, standstill=standstill) for standstill in (True, False))
    assert sum(estimate.stationary for estimate in held.estimates) >= 18
    assert held.trajectory.poses[-1, 0, 3] <= 11.0
    assert 'the pose was held' in held.remarks()[-1]
    assert free.trajectory.poses[-1, 0, 3] == pytest.approx(29.0)
    assert not any(estimate.stationary for estimate in free.estimates)


def test_the_bags_transforms_say_where_the_sensors_are(tmp_path):
    with BagReader(write_drive(tmp_path / 'drive')) as reader:
        rig, _, sources = bag_rig(reader)
        truth = bag_truth(reader)
    np.testing.assert_allclose(rig.T_base_camera, T_BASE_CAMERA, atol=1e-12)
    np.testing.assert_array_equal(rig.R_base_imu, np.eye(3))
    assert sources['T_base_camera'] == sources['T_base_imu'] == '/tf_static'
    assert truth is not None
    np.testing.assert_array_equal(truth.poses[:, 0, 3], [0.0, 1.0, 2.0])


def test_a_turned_imu_is_turned_back_whatever_its_frame_is_called(tmp_path):
    sideways = transform(Rotation.from_euler('z', 90, degrees=True).as_matrix(), np.array([0.5, 0.0, 0.0]))
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_static_transforms(START_NS, {('base_link', 'vectornav'): sideways})
        bag.write_image(START_NS, picture(0))
        bag.write_imu(ImuSample(START_NS, np.zeros(3), np.array([0.0, 0.0, 9.81])), frame_id='vectornav')
    with BagReader(tmp_path / 'bag') as reader:
        np.testing.assert_allclose(bag_rig(reader).rig.T_base_imu, sideways, atol=1e-12)


def test_what_the_bag_does_not_say_is_assumed_and_said(tmp_path):
    with BagReader(write_bag(tmp_path / 'bag', drive(3))) as reader:
        rig, reports, _ = bag_rig(reader)
        assert bag_truth(reader) is None
    np.testing.assert_array_equal(rig.T_base_camera, transform(R_BODY_OPTICAL, np.zeros(3)))
    assert 'base_to_camera: looking along base x; base_to_imu: axes of the base' in reports[-1]


def test_the_order_in_which_a_bag_was_recorded_does_not_matter(tmp_path):
    events = drive(5)
    late_imu = [(log_ns + (80_000_000 if isinstance(event, ImuSample) else 0), event) for log_ns, event in events]
    late_images = [(log_ns + (0 if isinstance(event, ImuSample) else 250_000_000), event) for log_ns, event in events]
    results = []
    for name, bag in (('as it happened', events), ('late imu', late_imu), ('late images', late_images)):
        estimator = OneMetreForward()
        done = run(write_bag(tmp_path / name, bag), estimator)
        windows = [pair.imu.stamps_ns.tolist() for pair in estimator.pairs]
        results.append((done.trajectory.stamps_ns.tolist(), windows, done.dropped))
    assert results[0] == results[1] == results[2]
    assert len(results[0][0]) == 5


def test_progress_is_told_for_every_image(tmp_path):
    ticks = []
    run(write_drive(tmp_path / 'drive'), on_progress=lambda: ticks.append(1))
    assert len(ticks) == 3
