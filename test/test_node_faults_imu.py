"""Faults of the IMU injected into the real node over real DDS, and what becomes of them. The list: docs/faults.md."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_answers import FRAME_NS, SECOND_NS
from ros_graph import IMU_NS, graph

from atvio_ros.msg import OdometryStatus


@pytest.mark.parametrize(
    'order',
    [
        (0, 0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 9),  # repeated
        (1, 0, 3, 2, 5, 4, 7, 6, 9, 8),  # in the wrong order
    ],
    ids=['duplicates', 'reordered'],
)
def test_repeated_and_reordered_imu_readings_give_the_same_odometry(node, order):
    undisturbed = node.drive_well(5)
    for i in range(5):
        node.see(i)
        node.feel(i, order)
    node.wait_for_odometry(4)
    np.testing.assert_allclose(node.poses(), undisturbed, atol=1e-9)
    node.wait_until_all_is_received()


def test_imu_readings_that_come_in_bursts_give_the_same_odometry(node):
    undisturbed = node.drive_well(6)
    for i in range(6):
        node.see(i)
        if i % 2:  # two tenths of a second at once, after the images they belong to
            node.feel(i - 1)
            node.feel(i)
    node.wait_for_odometry(5)
    np.testing.assert_allclose(node.poses(), undisturbed, atol=1e-9)


@pytest.mark.parametrize(('image_hz', 'imu_hz'), [(5, 50), (5, 1000), (60, 100), (60, 1000)])
def test_every_usual_rate_gives_one_odometry_a_frame(node, image_hz, imu_hz):
    frames = 12
    images_ns = [node.epoch_ns + i * SECOND_NS // image_hz for i in range(frames)]
    until_ns = images_ns[-1] + SECOND_NS // 10  # past the gyro's lag
    readings_ns = range(node.epoch_ns, until_ns + 1, SECOND_NS // imu_hz)
    events = [(at_ns, node.send_image) for at_ns in images_ns] + [(at_ns, node.send_imu) for at_ns in readings_ns]
    for at_ns, send in sorted(events, key=lambda event: event[0]):
        send(at_ns)
    node.wait_for_odometry(frames - 1)
    node.wait_until_all_is_received()


def test_impossible_imu_readings_are_counted_and_not_used(node):
    undisturbed = node.drive_well(5)
    before = node.count('imu_implausible')
    for i in range(5):
        node.see(i)
        node.feel(i)
        node.send_imu(node.epoch_ns + i * FRAME_NS + IMU_NS // 2, rate=120.0)  # a glitch, in deg/s perhaps
    node.wait_for_odometry(4)
    np.testing.assert_allclose(node.poses(), undisturbed, atol=1e-9)
    node.wait_for_count('imu_implausible', before + 5)


@pytest.mark.parametrize(
    ('gyro', 'force', 'words'),
    [
        (0.01, 1.0, 'the driver publishes g; multiply by 9.81'),
        (4.363, 9.81, 'gyro is at the end of its range'),
    ],
    ids=['accelerometer in g', 'saturated gyro'],
)
def test_an_imu_that_looks_wrong_is_said_with_what_to_do(gyro, force, words):
    with graph() as peer:  # of its own: gravity is checked once, and a range is learned
        for i in range(24):
            peer.see(i)
            peer.feel(i, rate=gyro, force=force)
        peer.wait_for_odometry(23)
        peer.wait_for_words(words)
        peer.wait_for_status(
            lambda status: status.state == OdometryStatus.STATE_DEGRADED and words in status.message, 'not degraded'
        )
