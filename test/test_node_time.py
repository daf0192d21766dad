"""Simulated time that stands still and jumps, under a namespace: stamps rule the odometry, the clock does not."""

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ros_graph import EPOCH_NS, graph
from rosgraph_msgs.msg import Clock

from atvio_ros.ros.conversions import stamp_from_ns

SECOND_NS = 1_000_000_000


def test_odometry_and_its_watch_go_on_whatever_the_clock_does():
    with graph('-p', 'use_sim_time:=true', '-p', 'device:=cpu', '-p', 'max_wait:=0.5', namespace='/robot') as peer:
        clock = peer.node.create_publisher(Clock, '/clock', 10)

        def drive_at(clock_ns: int, first: int, odometry: int) -> None:
            clock.publish(Clock(clock=stamp_from_ns(clock_ns)))
            peer.drive(first, 4)
            peer.wait_for(lambda: len(peer.odometry) == odometry, 'odometry is missing')

        drive_at(EPOCH_NS, 0, 3)  # and then the clock stands still
        drive_at(EPOCH_NS + 1000 * SECOND_NS, 4, 7)
        drive_at(EPOCH_NS - 1000 * SECOND_NS, 8, 11)

        peer.drive(12, 2, imu=False)  # the first of them is near enough to the last reading
        peer.wait_for(lambda: peer.counts().get('no_imu') == 1, 'an image waits for ever: no time passes')
        peer.wait_for(lambda: 'no IMU on /robot/imu' in peer.diagnostics.get('', ''), 'diagnostics stand still')
        topics = {name for name, _ in peer.node.get_topic_names_and_types()}
        assert {'/diagnostics', '/robot/odometry', '/tf'} <= topics
        assert '/robot/diagnostics' not in topics
