"""What is kept of an offline run: notes on its input, and a bag with what the node would have published."""

from __future__ import annotations

import numpy as np
from samples.bags import (
    MAKE,
    frame_stamps_ns,
    imu_samples,
    write_drive,
)
from samples.bags import image as picture
from samples.offline import OneMetreForward, drive, run, write_bag

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import Topics
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.evaluation.run import record, run_bag, run_notes, summary_line
from atvio_ros.geometry import translation
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig import Rig, RigPart


def test_the_notes_tell_what_became_of_the_input(tmp_path):
    done = run(write_bag(tmp_path / 'bag', drive(4, imu_to=20)))
    robot = combine([RigPart('tape', camera_height=1.2), RigPart('data sheet', gyro_lag=0.02)])
    counts = done.counts.images_received, done.counts.imu_received
    notes = run_notes(tmp_path / 'bag', OneMetreForward(), robot, *counts, done.dropped)
    assert notes['bag'] == 'bag'
    assert notes['estimator'] == 'network'
    assert notes['rig'] == {
        'camera_height': 1.2,
        'imu_time_offset': 0.0,
        'gyro_lag': 0.02,
        'accelerometer_lag': 0.0,
        'readout_time': 0.0,
        'sources': {'camera_height': 'tape', 'gyro_lag': 'data sheet'},
    }
    assert notes['images_received'] == len(done.estimates) + sum(notes['dropped'].values()) == 4
    assert summary_line(notes) == '4 images and 21 IMU readings received; without odometry: 1 first_image, 1 no_imu.'


def test_the_record_is_a_bag_with_what_the_node_would_have_published(tmp_path):
    with BagReader(write_drive(tmp_path / 'drive')) as reader:
        done = run_bag(reader, OneMetreForward(), bag_rig(reader).rig)
        record(tmp_path / 'out' / 'odometry.mcap', reader, done, bag_rig(reader).rig)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['odometry.mcap']
    with BagReader(tmp_path / 'out' / 'odometry.mcap') as recorded:
        counts = {topic: recorded.count(topic) for topic in ('/odometry', '/tf', '/path', '/tf_static')}
        assert counts == {'/odometry': 2, '/tf': 2, '/path': 2, '/tf_static': 1}
        odometry, truth = recorded.trajectory('/odometry'), recorded.ground_truth()
    np.testing.assert_array_equal(odometry.stamps_ns, done.trajectory.stamps_ns[1:])
    np.testing.assert_allclose(odometry.poses, done.trajectory.poses[1:], atol=1e-12)
    np.testing.assert_array_equal(truth.poses[:, 0, 3], [0.0, 1.0, 2.0])


def test_ground_truth_that_was_recorded_on_odometry_is_not_mixed_with_ours(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for sample in imu_samples():
            bag.write_imu(sample)
        for i, stamp_ns in enumerate(frame_stamps_ns()):
            bag.write_image(stamp_ns, picture(i))
            message = messages.pose_odometry(MAKE, stamp_ns, translation(100.0 + i, 0.0, 0.0), 'map', 'base_link')
            bag.write_raw('/odometry', message.__msgtype__, stamp_ns, MAKE.serialize(message))
    with BagReader(tmp_path / 'bag', Topics(ground_truth='/odometry')) as reader:
        done = run_bag(reader, OneMetreForward(), Rig())
        record(tmp_path / 'odometry.mcap', reader, done, Rig())
    with BagReader(tmp_path / 'odometry.mcap') as recorded:
        assert recorded.count('/odometry') == 2
        np.testing.assert_array_equal(recorded.ground_truth().poses[:, 0, 3], [100.0, 101.0, 102.0])
